# Unmasks the exceptions of SSE and divides by zero.
# exit: 134
# says: unexplained fault
    push 0
    ldmxcsr [rsp]
    mov eax, 0x3f800000
    movd xmm0, eax
    xorps xmm1, xmm1
    divss xmm0, xmm1
    ud2
