// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! AArch64. 32 bytes at a time, in either direction, then bytes. (Unaligned accesses to memory
//! are allowed.)

core::arch::global_asm!(
    r#"
    .globl memcpy
    .globl memmove
    .type memcpy, %function
    .type memmove, %function
    .p2align 4
memcpy:
memmove:
    sub x3, x0, x1
    cmp x3, x2
    b.lo 5f
    /* forwards */
    mov x3, x0
    subs x2, x2, #32
    b.lo 2f
1:  ldp x4, x5, [x1], #16
    ldp x6, x7, [x1], #16
    subs x2, x2, #32
    stp x4, x5, [x3], #16
    stp x6, x7, [x3], #16
    b.hs 1b
2:  adds x2, x2, #32
    b.eq 4f
3:  ldrb w4, [x1], #1
    strb w4, [x3], #1
    subs x2, x2, #1
    b.ne 3b
4:  ret
    /* the target begins inside the source: backwards */
5:  cbz x2, 4b
    add x1, x1, x2
    add x3, x0, x2
    subs x2, x2, #32
    b.lo 7f
6:  ldp x4, x5, [x1, #-16]!
    ldp x6, x7, [x1, #-16]!
    subs x2, x2, #32
    stp x4, x5, [x3, #-16]!
    stp x6, x7, [x3, #-16]!
    b.hs 6b
7:  adds x2, x2, #32
    b.eq 4b
8:  ldrb w4, [x1, #-1]!
    strb w4, [x3, #-1]!
    subs x2, x2, #1
    b.ne 8b
    ret
    .size memcpy, . - memcpy
    .size memmove, . - memmove

    .globl memset
    .type memset, %function
    .p2align 4
memset:
    and x1, x1, #0xff
    mov x4, #0x0101010101010101
    mul x4, x1, x4
    mov x3, x0
    subs x2, x2, #32
    b.lo 2f
1:  subs x2, x2, #32
    stp x4, x4, [x3], #16
    stp x4, x4, [x3], #16
    b.hs 1b
2:  adds x2, x2, #32
    b.eq 4f
3:  strb w4, [x3], #1
    subs x2, x2, #1
    b.ne 3b
4:  ret
    .size memset, . - memset

    .globl memcmp
    .globl bcmp
    .type memcmp, %function
    .type bcmp, %function
    .p2align 4
memcmp:
bcmp:
    cbz x2, 2f
1:  ldrb w3, [x0], #1
    ldrb w4, [x1], #1
    subs w3, w3, w4
    b.ne 3f
    subs x2, x2, #1
    b.ne 1b
2:  mov w0, wzr
    ret
3:  mov w0, w3
    ret
    .size memcmp, . - memcmp
    .size bcmp, . - bcmp
"#
);
