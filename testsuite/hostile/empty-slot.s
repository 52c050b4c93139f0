# Calls through a slot of its CSpace that is empty: the kernel says so, and the app goes on.
# exit: 14
    mov rdx, -1
    mov rdi, 3
    mov rsi, 1 << 12
    mov r12, rsp
    syscall
    mov rsp, r12
    shr rsi, 12
    cmp rsi, 2
    jne 1f
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 14
    syscall
1:  ud2
