# A message information word with every bit set.
# exit: 7
    mov rdx, -1
    mov rdi, 1
    mov rsi, -1
    mov r12, rsp
    syscall
    mov rsp, r12
    cmp r10, 2
    jne 1f
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 7
    syscall
1:  ud2
