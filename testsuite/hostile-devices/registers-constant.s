# Writes to the registers of a device that it may only read.
# exit: 134
# says: unexplained fault: memory access to 0x620000000000
    mov rax, 0x620000000000
    mov ebx, [rax]
    mov [rax], ebx
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 5
    syscall
    ud2
