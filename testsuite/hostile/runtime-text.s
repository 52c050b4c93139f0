# Writes to the text of the runtime, which all apps share.
# exit: 134
# says: memory access to 0x200000
    mov qword ptr [0x200000], 1
    ud2
