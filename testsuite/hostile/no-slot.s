# Calls through a slot that its CSpace does not have.
# exit: 134
# says: unexplained fault
    mov rdx, -1
    mov rdi, 0x7fffffff
    mov rsi, 1 << 12
    syscall
    ud2
