# Asks for interrupts of devices that it does not have. Each is refused.
# exit: 9
.macro ask label, device
    mov rdx, -1
    mov rdi, 1
    mov rsi, \label << 12 | 2
    mov r10, \device
    mov r8, 1000
    mov r12, rsp
    syscall
    mov rsp, r12
    add r13, r10
.endm
    # The sum of the answers: Refused is 1.
    xor r13, r13
    ask 16, 0
    ask 16, 1
    ask 16, -1
    ask 17, 0
    ask 17, 1
    ask 17, -1
    ask 18, 0
    ask 18, 1
    ask 18, -1
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, r13
    syscall
    ud2
