// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// setjmp and longjmp, out of many calls and over frames that have a setjmp of their own. As
// WebAssembly they are exceptions: see setjmp.c.
#include <stdio.h>

#ifdef __wasm__
typedef struct {
    void *words[4];
} jmp_buf[1];
int setjmp(jmp_buf environment) __attribute__((returns_twice));
void longjmp(jmp_buf environment, int value) __attribute__((noreturn));
#else
#include <setjmp.h>
#endif

static jmp_buf outermost;

static void __attribute__((noinline)) descend(int depth, int value) {
    if (depth == 0) {
        longjmp(outermost, value);
    }
    descend(depth - 1, value);
    printf("never printed\n");
}

// Jumps to its own setjmp, or over it.
static int __attribute__((noinline)) inner(int value) {
    jmp_buf own;
    volatile int kept = value * 2;
    int result = setjmp(own);
    if (result == 0) {
        if (value % 2 != 0) {
            descend(value, value + 100);
        }
        longjmp(own, 7);
    }
    return result + kept;
}

int main(void) {
    volatile int own = 0, outer = 0, sum = 0;
    for (volatile int i = 0; i < 1000; i++) {
        int result = setjmp(outermost);
        if (result != 0) {
            outer++;
            sum += result;
            continue;
        }
        sum += inner(i % 50);
        own++;
    }
    printf("%d jumps here, %d jumps out, sum %d\n", own, outer, sum);
    return 0;
}
