# Writes to its own code.
# exit: 134
# says: unexplained fault: memory access to 0x1
    lea rax, [rip]
    mov byte ptr [rax], 0xcc
    ud2
