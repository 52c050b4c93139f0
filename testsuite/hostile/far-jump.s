# Jumps to an address that no processor has.
# exit: 134
# says: unexplained fault
    mov rax, 0x8000000000000000
    jmp rax
