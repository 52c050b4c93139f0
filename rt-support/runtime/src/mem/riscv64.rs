// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! RISC-V. Eight bytes at a time, in either direction, where both ends can be aligned together
//! (other accesses may be slow, or trap), else bytes.

core::arch::global_asm!(
    r#"
    .globl memcpy
    .globl memmove
    .type memcpy, @function
    .type memmove, @function
    .p2align 2
memcpy:
memmove:
    sub t0, a0, a1
    mv t1, a0
    andi t2, t0, 7
    bltu t0, a2, 5f
    /* forwards: bytes up to alignment, words, bytes */
    bnez t2, 3f
1:  andi t3, t1, 7
    beqz t3, 2f
    beqz a2, 4f
    lbu t3, 0(a1)
    sb t3, 0(t1)
    addi a1, a1, 1
    addi t1, t1, 1
    addi a2, a2, -1
    j 1b
2:  li t4, 8
    bltu a2, t4, 3f
    ld t3, 0(a1)
    sd t3, 0(t1)
    addi a1, a1, 8
    addi t1, t1, 8
    addi a2, a2, -8
    j 2b
3:  beqz a2, 4f
    lbu t3, 0(a1)
    sb t3, 0(t1)
    addi a1, a1, 1
    addi t1, t1, 1
    addi a2, a2, -1
    j 3b
4:  ret
    /* the target begins inside the source: backwards */
5:  add a1, a1, a2
    add t1, t1, a2
    bnez t2, 8f
6:  andi t3, t1, 7
    beqz t3, 7f
    beqz a2, 4b
    addi a1, a1, -1
    addi t1, t1, -1
    addi a2, a2, -1
    lbu t3, 0(a1)
    sb t3, 0(t1)
    j 6b
7:  li t4, 8
    bltu a2, t4, 8f
    addi a1, a1, -8
    addi t1, t1, -8
    addi a2, a2, -8
    ld t3, 0(a1)
    sd t3, 0(t1)
    j 7b
8:  beqz a2, 4b
    addi a1, a1, -1
    addi t1, t1, -1
    addi a2, a2, -1
    lbu t3, 0(a1)
    sb t3, 0(t1)
    j 8b
    .size memcpy, . - memcpy
    .size memmove, . - memmove

    .globl memset
    .type memset, @function
    .p2align 2
memset:
    andi a1, a1, 0xff
    slli t0, a1, 8
    or a1, a1, t0
    slli t0, a1, 16
    or a1, a1, t0
    slli t0, a1, 32
    or a1, a1, t0
    mv t1, a0
1:  andi t3, t1, 7
    beqz t3, 2f
    beqz a2, 4f
    sb a1, 0(t1)
    addi t1, t1, 1
    addi a2, a2, -1
    j 1b
2:  li t4, 8
    bltu a2, t4, 3f
    sd a1, 0(t1)
    addi t1, t1, 8
    addi a2, a2, -8
    j 2b
3:  beqz a2, 4f
    sb a1, 0(t1)
    addi t1, t1, 1
    addi a2, a2, -1
    j 3b
4:  ret
    .size memset, . - memset

    .globl memcmp
    .globl bcmp
    .type memcmp, @function
    .type bcmp, @function
    .p2align 2
memcmp:
bcmp:
1:  beqz a2, 2f
    lbu t0, 0(a0)
    lbu t1, 0(a1)
    bne t0, t1, 3f
    addi a0, a0, 1
    addi a1, a1, 1
    addi a2, a2, -1
    j 1b
2:  li a0, 0
    ret
3:  subw a0, t0, t1
    ret
    .size memcmp, . - memcmp
    .size bcmp, . - bcmp
"#
);
