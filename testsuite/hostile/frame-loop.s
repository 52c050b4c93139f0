# A chain of frame pointers that goes in circles, for the backtrace.
# exit: 134
# says: wasm trap
    sub rsp, 64
    and rsp, -16
    mov rbp, rsp
    lea rax, [rsp + 16]
    mov [rsp], rax
    mov [rsp + 16], rsp
    lea rbx, [rip]
    mov [rsp + 8], rbx
    mov [rsp + 24], rbx
    mov rdx, -1
    mov rdi, 1
    mov rsi, 4 << 12 | 1
    mov r10, 1
    syscall
