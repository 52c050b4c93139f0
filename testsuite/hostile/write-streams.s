# Writes to streams that do not exist.
# exit: 9
    mov r14, -3
2:  mov rdx, -1
    mov rdi, 1
    mov rsi, 1 << 12 | 3
    mov r10, r14
    mov r8, 8
    mov r12, rsp
    syscall
    mov rsp, r12
    cmp r10, 2
    jne 1f
    inc r14
    cmp r14, 1
    jne 2b
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 9
    syscall
1:  ud2
