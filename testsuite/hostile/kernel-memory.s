# Reads an address of the kernel's half.
# exit: 134
# says: unexplained fault
    mov rax, -8
    mov rax, [rax]
    ud2
