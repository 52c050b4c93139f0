// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! x86-64. Up to 32 bytes are moved by loads that overlap, all of them before the first store;
//! longer copies by 32 bytes at a time in either direction, or by `rep movsb` from 1 KiB on, which
//! processors since 2013 do in whole cache lines. Stores overlap likewise where memory is filled.

core::arch::global_asm!(
    r#"
    .globl memcpy
    .globl memmove
    .type memcpy, @function
    .type memmove, @function
    .p2align 5
memcpy:
memmove:
    mov rax, rdi
    cmp rdx, 16
    jb 3f
    cmp rdx, 32
    ja 4f
    movups xmm0, [rsi]
    movups xmm1, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + rdx - 16], xmm1
    ret
3:  cmp edx, 8
    jae 8f
    cmp edx, 4
    jae 9f
    test edx, edx
    je 7f
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + rdx - 1]
    mov r10, rdx
    shr r10, 1
    movzx r9d, byte ptr [rsi + r10]
    mov [rdi], cl
    mov [rdi + r10], r9b
    mov [rdi + rdx - 1], r8b
7:  ret
8:  mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
9:  mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
4:  mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb 6f
    cmp rdx, 1024
    jae 5f
    /* forwards: the last 32 bytes are loaded before anything is stored */
    movups xmm2, [rsi + rdx - 32]
    movups xmm3, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 32]
2:  movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    add rsi, 32
    movups [rdi], xmm0
    movups [rdi + 16], xmm1
    add rdi, 32
    cmp rdi, r8
    jb 2b
    movups [r8], xmm2
    movups [r8 + 16], xmm3
    ret
5:  mov rcx, rdx
    rep movsb
    ret
6:  /* the target begins inside the source: backwards; the first 32 bytes are loaded first */
    test rcx, rcx
    je 7b
    movups xmm2, [rsi]
    movups xmm3, [rsi + 16]
2:  movups xmm0, [rsi + rdx - 16]
    movups xmm1, [rsi + rdx - 32]
    movups [rdi + rdx - 16], xmm0
    movups [rdi + rdx - 32], xmm1
    sub rdx, 32
    cmp rdx, 32
    ja 2b
    movups [rdi], xmm2
    movups [rdi + 16], xmm3
    ret
    .size memcpy, . - memcpy
    .size memmove, . - memmove

    .globl memset
    .type memset, @function
    .p2align 5
memset:
    mov rax, rdi
    movzx ecx, sil
    movabs r8, 0x0101010101010101
    imul rcx, r8
    cmp rdx, 16
    jb 3f
    movq xmm0, rcx
    punpcklqdq xmm0, xmm0
    cmp rdx, 1024
    jae 5f
    lea r8, [rdi + rdx - 16]
    cmp rdx, 32
    jbe 4f
    lea r9, [rdi + rdx - 32]
2:  movups [rdi], xmm0
    movups [rdi + 16], xmm0
    add rdi, 32
    cmp rdi, r9
    jb 2b
    movups [r9], xmm0
    movups [r8], xmm0
    ret
4:  movups [rdi], xmm0
    movups [r8], xmm0
    ret
3:  cmp edx, 8
    jae 8f
    cmp edx, 4
    jae 9f
    test edx, edx
    je 7f
    mov [rdi], cl
    mov [rdi + rdx - 1], cl
    shr edx, 1
    mov [rdi + rdx], cl
7:  ret
8:  mov [rdi], rcx
    mov [rdi + rdx - 8], rcx
    ret
9:  mov [rdi], ecx
    mov [rdi + rdx - 4], ecx
    ret
5:  mov r8, rax
    mov eax, ecx
    mov rcx, rdx
    rep stosb
    mov rax, r8
    ret
    .size memset, . - memset

    .globl memcmp
    .globl bcmp
    .type memcmp, @function
    .type bcmp, @function
    .p2align 4
memcmp:
bcmp:
    xor ecx, ecx
2:  cmp rcx, rdx
    je 3f
    movzx eax, byte ptr [rdi + rcx]
    movzx r8d, byte ptr [rsi + rcx]
    inc rcx
    sub eax, r8d
    je 2b
    ret
3:  xor eax, eax
    ret
    .size memcmp, . - memcmp
    .size bcmp, . - bcmp
"#
);
