# Sets the trap flag.
# exit: 134
# says: unexplained fault
    pushfq
    or qword ptr [rsp], 0x100
    popfq
    nop
    nop
    ud2
