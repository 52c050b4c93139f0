# Calls address 0.
# exit: 134
# says: memory access to 0x0
    xor eax, eax
    call rax
