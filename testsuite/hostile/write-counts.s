# Writes with counts that the message does not carry: nothing, then as much as a message has.
# exit: 8
    mov r14, 0
    mov r13, 1 << 12
    call write
    cmp r8, 0
    jne 1f
    mov r13, 1 << 12 | 2
    call write
    cmp r8, 0
    jne 1f
    mov r13, 1 << 12 | 127
    call write
    cmp r8, 240
    jne 1f
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 8
    syscall
1:  ud2
write:
    mov rdx, -1
    mov rdi, 1
    mov rsi, r13
    mov r10, 1
    mov r8, -1
    mov r12, rsp
    syscall
    mov rsp, r12
    ret
