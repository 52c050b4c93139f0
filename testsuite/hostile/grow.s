# Asks for memory where none may grow: at 0, around the end of the address space, over the
# runtime, in front of its memory, far behind what is mapped, and more than the region may have.
# exit: 10
    xor r13, r13
    mov r14, 4096
    call grow
    mov r13, -4096
    mov r14, 8192
    call grow
    mov r13, -1
    mov r14, -1
    call grow
    mov r13, 0x200000
    mov r14, 4096
    call grow
    mov r13, 0x10000000 - 4096
    mov r14, 8192
    call grow
    mov r13, 0x10000000 + 0x80000000
    mov r14, 4096
    call grow
    mov r13, 0x10000000
    mov r14, 1 << 40
    call grow
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 10
    syscall
grow:
    mov rdx, -1
    mov rdi, 1
    mov rsi, 3 << 12 | 2
    mov r10, r13
    mov r8, r14
    mov r12, rsp
    syscall
    mov rsp, r12
    cmp r10, 1
    jne 1f
    ret
1:  ud2
