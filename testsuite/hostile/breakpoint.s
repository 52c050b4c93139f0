# A breakpoint that nobody set.
# exit: 134
# says: unexplained fault
    int3
