# Tries to receive from the root task's endpoint, for which it has no right.
# exit: 134
# says: unexplained fault
    mov rdx, -5
    mov rdi, 1
    syscall
    ud2
