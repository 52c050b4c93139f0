# Uses a stack that is not there.
# exit: 134
# says: unexplained fault
    mov rsp, 0x1234
    push rax
