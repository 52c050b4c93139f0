# Gives all the capabilities it has away with a message: nobody takes them.
# exit: 6
    mov rax, 0xeff000
    mov qword ptr [rax + 121 * 8 + 8], 1
    mov qword ptr [rax + 122 * 8 + 8], 2
    mov qword ptr [rax + 123 * 8 + 8], 1
    mov rdx, -1
    mov rdi, 1
    mov rsi, 77 << 12 | 3 << 7
    mov r12, rsp
    syscall
    mov rsp, r12
    mov rdx, -1
    mov rdi, 1
    mov rsi, 2 << 12 | 1
    mov r10, 6
    syscall
    ud2
