// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What clang calls for setjmp and longjmp where they are exceptions (tool conventions of
// WebAssembly, "Exception Handling"); Debian's C library has no such file.

struct environment {
    void *frame;
    unsigned label;
    struct {
        void *environment;
        int value;
    } carried;
};

// The tag of the exceptions, tag 1 of __builtin_wasm_throw.
__asm__(".tagtype __c_longjmp i32\n.globl __c_longjmp\n__c_longjmp:\n");

void __wasm_setjmp(struct environment *environment, unsigned label, void *frame);
void __wasm_setjmp(struct environment *environment, unsigned label, void *frame) {
    environment->frame = frame;
    environment->label = label;
}

unsigned __wasm_setjmp_test(struct environment *environment, void *frame);
unsigned __wasm_setjmp_test(struct environment *environment, void *frame) {
    return environment->frame == frame ? environment->label : 0;
}

void __wasm_longjmp(struct environment *environment, int value);
void __wasm_longjmp(struct environment *environment, int value) {
    environment->carried.environment = environment;
    environment->carried.value = value != 0 ? value : 1;
    __builtin_wasm_throw(1, &environment->carried);
}
