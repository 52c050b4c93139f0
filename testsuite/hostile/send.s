# Sends without waiting for an answer: the root task has nobody to answer, and goes on.
# exit: 5
    mov r14, 100
2:  mov rdx, -3
    mov rdi, 1
    mov rsi, 1 << 12 | 2
    mov r10, 1
    mov r8, 0
    mov r12, rsp
    syscall
    mov rsp, r12
    dec r14
    jnz 2b
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 5
    syscall
    ud2
