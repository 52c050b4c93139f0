# Changes the base of a segment register by the instruction, where the kernel allows it, or not.
# exit: 134
# says: unexplained fault
    mov ecx, 0xc0000100
    rdmsr
