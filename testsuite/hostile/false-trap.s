# Traps with a code that does not exist.
# exit: 134
# says: unexplained fault
    mov rdx, -1
    mov rdi, 1
    mov rsi, 4 << 12 | 1
    mov r10, 0xffffffffff
    syscall
    ud2
