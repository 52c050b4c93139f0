# Has a capability for some I/O ports, and tries it on others with every label that there is: those
# that end QEMU, and the console's. The kernel refuses all of them.
# exit: 7
    mov rbx, 0
1:  inc rbx
    mov r14, 0xf4
2:  mov rdx, -1
    mov rdi, 4
    mov rsi, rbx
    shl rsi, 12
    or rsi, 2
    mov r10, r14
    mov r8, 0x58
    mov r9, 0
    mov r15, 0
    mov r12, rsp
    syscall
    mov rsp, r12
    cmp r14, 0x3f8
    mov r14, 0x3f8
    jne 2b
    cmp rbx, 100
    jb 1b
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 7
    syscall
    ud2
