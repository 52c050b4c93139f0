# Writes to its own start-up page, which is mapped read-only.
# exit: 134
# says: memory access to 0xe00000
    mov qword ptr [0xe00000], 1
    ud2
