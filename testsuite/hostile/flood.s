# Writes 472000 bytes as fast as it can.
# exit: 13
    mov r14, 500
2:  mov rdx, -1
    mov rdi, 1
    mov rsi, 1 << 12 | 120
    mov r10, 1
    mov r8, 240
    mov r12, rsp
    syscall
    mov rsp, r12
    dec r14
    jnz 2b
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 13
    syscall
    ud2
