# Asks for what is not its own: directories that it does not have, an archive that nobody wants, a
# sleep without an end, more input than fits a message. Each is refused, or gives what there is.
# exit: 16
.macro ask label, first, second
    mov rdx, -1
    mov rdi, 1
    mov rsi, \label << 12 | 2
    mov r10, \first
    mov r8, \second
    mov r12, rsp
    syscall
    mov rsp, r12
.endm
    # The sum of the answers: Refused is 1, Invalid 2, Done 0.
    xor r13, r13
    mov r14, 0x600000000000
    ask 3, r14, 4096
    add r13, r10
    ask 1, 3, 8
    add r13, r10
    ask 1, 4, 8
    add r13, r10
    ask 7, -1, 0
    add r13, r10
    ask 6, -1, 0
    add r13, r10
    # No input: its end.
    add r13, r8
    ask 7, -1, 1
    add r13, r10
    # It can be read.
    add r13, r8
    ask 7, 1000, 0
    add r13, r10
    ask 5, 0, 0
    add r13, r10
    ask 9, 0, 0
    add r13, r10
    ask 0, 0, 0
    add r13, r10
    ask -1 & 0xffff, 0, 0
    add r13, r10
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, r13
    syscall
    ud2
