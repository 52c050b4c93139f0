# Fills its IPC buffer with ones and then speaks.
# exit: 12
    mov rdi, 0xeff000
    mov rcx, 512
    mov rax, -1
    rep stosq
    mov rdx, -1
    mov rdi, 1
    mov rsi, 1 << 12 | 120
    mov r10, 2
    mov r8, 10000
    mov r12, rsp
    syscall
    mov rsp, r12
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 12
    syscall
    ud2
