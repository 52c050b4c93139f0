# Takes all memory that its region may have, page by page, until it is refused.
# exit: 11
    mov r13, 0x10000000 + 65536
2:  mov rdx, -1
    mov rdi, 1
    mov rsi, 3 << 12 | 2
    mov r10, r13
    mov r8, 1 << 23
    mov r12, rsp
    syscall
    mov rsp, r12
    add r13, 1 << 23
    cmp r10, 0
    je 2b
    cmp r10, 1
    jne 1f
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 11
    syscall
1:  ud2
