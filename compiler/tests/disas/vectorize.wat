;; target: x86_64
;; target: aarch64

;; Loops that run as vectors where checks in front of them allow it; the original loop does the rest.
(module
  (memory 4 4)
  ;; One element a round; lengths and places are known, so nothing is checked.
  (func $constant
    (local $i i32)
    (loop $more
      (i32.store offset=0x10000 (local.get $i)
        (i32.add (i32.load (local.get $i)) (i32.load offset=0x8000 (local.get $i))))
      (br_if $more
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 4000)))))
  ;; Unrolled by two; where the arrays are is not known.
  (func $unrolled (param $to i32) (param $from i32) (param $count i32)
    (loop $more
      (f64.store (local.get $to) (f64.mul (f64.const 3) (f64.load (local.get $from))))
      (f64.store offset=8 (local.get $to) (f64.mul (f64.const 3) (f64.load offset=8 (local.get $from))))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 2))))))
  ;; No vectors: each round reads what the one before has stored.
  (func $serial (param $at i32) (param $count i32)
    (loop $more
      (i32.store offset=4 (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))
;;; x86_64
;;; constant:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   uninit  %rax
;;;   xorq %rax, %rax
;;;   jmp     label1
;;; block1:
;;;   movdqu 0x10000000(%rax), %xmm0
;;;   movdqu 0x10008000(%rax), %xmm2
;;;   movdqu 0x10000010(%rax), %xmm1
;;;   movdqu 0x10008010(%rax), %xmm3
;;;   paddd %xmm2, %xmm0
;;;   movdqu %xmm0, 0x10010000(%rax)
;;;   paddd %xmm3, %xmm1
;;;   movdqu %xmm1, 0x10010010(%rax)
;;;   leaq 0x20(%rax), %rax
;;;   cmpq $0xf80, %rax
;;;   jnz     label2; j label3
;;; block2:
;;;   jmp     label1
;;; block3:
;;;   movl $0xf80, %eax
;;;   jmp     label4
;;; block4:
;;;   movl 0x10000000(%rax), %ecx
;;;   addl 0x10008000(%rax), %ecx
;;;   movl %ecx, 0x10010000(%rax)
;;;   leaq 4(%rax), %rax
;;;   cmpl $0xfa0, %eax
;;;   jnz     label5; j label6
;;; block5:
;;;   jmp     label4
;;; block6:
;;;   jmp     label7
;;; block7:
;;;   jmp     label8
;;; block8:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; unrolled:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;;   subq $0x10, %rsp
;;;   movq %r12, (%rsp)
;;; block0:
;;;   movl %edi, %r12d
;;;   movl %esi, %edi
;;;   leal -2(%rdx), %eax
;;;   shrq $1, %rax
;;;   cmpq $0x8, %rax
;;;   jnb     label2; j label1
;;; block1:
;;;   jmp     label8
;;; block2:
;;;   movq %rax, %rcx
;;;   andq $0xfffffffffffffffe, %rcx
;;;   shlq $0x4, %rcx
;;;   leaq -0x10(%rcx), %r10
;;;   leaq 0x10(%rdi, %r10), %r9
;;;   cmpq $0x40000, %r9
;;;   setle %r8b
;;;   leaq 0x10(%r12, %r10), %r10
;;;   cmpq $0x40000, %r10
;;;   setle %r11b
;;;   andl %r11d, %r8d
;;;   cmpq %r12, %r9
;;;   setle %r9b
;;;   cmpq %rdi, %r10
;;;   setle %r10b
;;;   orl %r10d, %r9d
;;;   testb %r8b, %r9b
;;;   jnz     label4; j label3
;;; block3:
;;;   jmp     label8
;;; block4:
;;;   uninit  %r8
;;;   xorq %r8, %r8
;;;   movupd (%rip), %xmm0
;;;   jmp     label5
;;; block5:
;;;   movupd 0x10000000(%rdi, %r8), %xmm2
;;;   movupd 0x10000010(%rdi, %r8), %xmm1
;;;   movdqa %xmm0, %xmm3
;;;   mulpd %xmm2, %xmm3
;;;   movupd %xmm3, 0x10000000(%r12, %r8)
;;;   movdqa %xmm0, %xmm2
;;;   mulpd %xmm1, %xmm2
;;;   movupd %xmm2, 0x10000010(%r12, %r8)
;;;   leaq 0x20(%r8), %r8
;;;   cmpq %rcx, %r8
;;;   jnz     label6; j label7
;;; block6:
;;;   jmp     label5
;;; block7:
;;;   andl $0xfffffffe, %eax
;;;   movq %rax, %rcx
;;;   shll $0x4, %ecx
;;;   leal (%r12, %rcx), %r12d
;;;   leal (%rdi, %rcx), %edi
;;;   imull $0xfffffffe, %eax, %eax
;;;   leal (%rdx, %rax), %edx
;;;   jmp     label8
;;; block8:
;;;   movabsq $0x4008000000000000, %rax
;;;   movq %rax, %xmm0
;;;   movdqa %xmm0, %xmm1
;;;   mulsd 0x10000000(%rdi), %xmm1
;;;   movsd %xmm1, 0x10000000(%r12)
;;;   mulsd 0x10000008(%rdi), %xmm0
;;;   movsd %xmm0, 0x10000008(%r12)
;;;   leal -2(%rdx), %edx
;;;   leal 0x10(%r12), %r12d
;;;   leal 0x10(%rdi), %edi
;;;   testl %edx, %edx
;;;   jnz     label9; j label10
;;; block9:
;;;   jmp     label8
;;; block10:
;;;   jmp     label11
;;; block11:
;;;   jmp     label12
;;; block12:
;;;   movq (%rsp), %r12
;;;   addq $0x10, %rsp
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; serial:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %edi
;;;   jmp     label1
;;; block1:
;;;   movl $0x1, %r9d
;;;   addl 0x10000000(%rdi), %r9d
;;;   movl %r9d, 0x10000004(%rdi)
;;;   leal -1(%rsi), %esi
;;;   leaq 4(%rdi), %rdi
;;;   testl %esi, %esi
;;;   jnz     label2; j label3
;;; block2:
;;;   jmp     label1
;;; block3:
;;;   jmp     label4
;;; block4:
;;;   jmp     label5
;;; block5:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; aarch64
;;; constant:
;;; block0:
;;;   movz x0, #0
;;;   b label1
;;; block1:
;;;   movz x1, #1, LSL #32
;;;   ldr q0, [x0, x1]
;;;   movz x1, #32768
;;;   movk x1, x1, #1, LSL #32
;;;   ldr q2, [x0, x1]
;;;   movz x1, #16
;;;   movk x1, x1, #1, LSL #32
;;;   ldr q1, [x0, x1]
;;;   movz x1, #32784
;;;   movk x1, x1, #1, LSL #32
;;;   ldr q3, [x0, x1]
;;;   add v0.4s, v0.4s, v2.4s
;;;   movz x1, #1, LSL #16
;;;   movk x1, x1, #1, LSL #32
;;;   str q0, [x0, x1]
;;;   add v0.4s, v1.4s, v3.4s
;;;   movz x1, #16
;;;   movk x1, x1, #1, LSL #16
;;;   movk x1, x1, #1, LSL #32
;;;   str q0, [x0, x1]
;;;   add x0, x0, #32
;;;   subs xzr, x0, #3968
;;;   b.ne label2 ; b label3
;;; block2:
;;;   b label1
;;; block3:
;;;   movz x0, #3968
;;;   b label4
;;; block4:
;;;   movz x1, #1, LSL #32
;;;   ldr w1, [x0, x1]
;;;   movz x2, #32768
;;;   movk x2, x2, #1, LSL #32
;;;   ldr w2, [x0, x2]
;;;   add w1, w1, w2
;;;   movz x2, #1, LSL #16
;;;   movk x2, x2, #1, LSL #32
;;;   str w1, [x0, x2]
;;;   add x0, x0, #4
;;;   subs wzr, w0, #4000
;;;   b.ne label5 ; b label6
;;; block5:
;;;   b label4
;;; block6:
;;;   b label7
;;; block7:
;;;   b label8
;;; block8:
;;;   ret
;;;
;;; unrolled:
;;; block0:
;;;   sub w3, w2, #2
;;;   mov w3, w3
;;;   lsr x4, x3, #1
;;;   movz x3, #1, LSL #32
;;;   subs xzr, x4, #8
;;;   b.hs label2 ; b label1
;;; block1:
;;;   b label8
;;; block2:
;;;   mov w6, w1
;;;   and x7, x4, #18446744073709551614
;;;   lsl x5, x7, #4
;;;   movn x8, #15
;;;   add x8, x8, x7, LSL 4
;;;   add x7, x8, x1, UXTW
;;;   add x7, x7, #16
;;;   subs xzr, x7, #262144
;;;   cset x9, le
;;;   mov w10, w0
;;;   add x8, x8, x0, UXTW
;;;   add x8, x8, #16
;;;   subs xzr, x8, #262144
;;;   cset x11, le
;;;   and w9, w9, w11
;;;   subs xzr, x7, x10
;;;   cset x7, le
;;;   subs xzr, x8, x6
;;;   cset x6, le
;;;   orr w6, w7, w6
;;;   and w6, w9, w6
;;;   ands wzr, w6, #255
;;;   b.ne label4 ; b label3
;;; block3:
;;;   b label8
;;; block4:
;;;   movz x6, #0
;;;   movz x7, #1, LSL #32
;;;   fmov v2.2d, #3
;;;   b label5
;;; block5:
;;;   add x8, x7, x1, UXTW
;;;   ldr q4, [x8, x6]
;;;   add x8, x6, x8
;;;   ldr q3, [x8, #16]
;;;   fmul v4.2d, v2.2d, v4.2d
;;;   add x8, x7, x0, UXTW
;;;   str q4, [x8, x6]
;;;   fmul v4.2d, v2.2d, v3.2d
;;;   add x8, x6, x8
;;;   str q4, [x8, #16]
;;;   add x6, x6, #32
;;;   subs xzr, x6, x5
;;;   b.ne label6 ; b label7
;;; block6:
;;;   b label5
;;; block7:
;;;   movn w8, #1
;;;   and w9, w4, #4294967294
;;;   add w0, w0, w9, LSL 4
;;;   add w1, w1, w9, LSL 4
;;;   madd w2, w9, w8, w2
;;;   b label8
;;; block8:
;;;   add x9, x3, x1, UXTW
;;;   ldr d17, [x3, w1, UXTW]
;;;   fmov d16, #3
;;;   fmul d17, d16, d17
;;;   add x10, x3, x0, UXTW
;;;   str d17, [x3, w0, UXTW]
;;;   ldr d17, [x9, #8]
;;;   fmul d16, d16, d17
;;;   str d16, [x10, #8]
;;;   sub w2, w2, #2
;;;   add w0, w0, #16
;;;   add w1, w1, #16
;;;   cbnz w2, label9 ; b label10
;;; block9:
;;;   b label8
;;; block10:
;;;   b label11
;;; block11:
;;;   b label12
;;; block12:
;;;   ret
;;;
;;; serial:
;;; block0:
;;;   mov w3, w0
;;;   b label1
;;; block1:
;;;   movz x13, #1, LSL #32
;;;   add x12, x3, x13
;;;   ldr w13, [x3, x13]
;;;   add w13, w13, #1
;;;   str w13, [x12, #4]
;;;   sub w1, w1, #1
;;;   add x3, x3, #4
;;;   cbnz w1, label2 ; b label3
;;; block2:
;;;   b label1
;;; block3:
;;;   b label4
;;; block4:
;;;   b label5
;;; block5:
;;;   ret
;;;
