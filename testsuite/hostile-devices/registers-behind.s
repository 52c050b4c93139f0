# Reads what is behind the registers of its device.
# exit: 134
# says: unexplained fault: memory access to 0x620000001000
    mov rax, 0x620000000000
    mov ebx, [rax + 0x1000]
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 5
    syscall
    ud2
