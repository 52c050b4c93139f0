# A software interrupt.
# exit: 134
# says: unexplained fault
    int 0x80
