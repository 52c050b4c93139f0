# A privileged instruction.
# exit: 134
# says: unexplained fault
    hlt
