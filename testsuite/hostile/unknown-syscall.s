# A system call that the kernel does not have.
# exit: 134
# says: unexplained fault
    mov rdx, 12345
    syscall
    ud2
