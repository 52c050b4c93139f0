# Reads the registers of its device, first and last, by their addresses.
# exit: 5
    mov rax, 0x620000000000
    mov ebx, [rax]
    mov ebx, [rax + 0xffc]
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 5
    syscall
    ud2
