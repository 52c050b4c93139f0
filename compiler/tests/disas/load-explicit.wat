;; target: x86_64
;; target: aarch64
;; target: riscv64
;; bounds: explicit

;; A comparison with a constant where the memory cannot grow, else with its length.
(module
  (memory $fixed 1 1)
  (func $load (param i32) (result i32)
    (i32.load offset=4 (local.get 0))))

;;; x86_64
;;; load:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   cmpq $0xfff8, %rsi
;;;   jnbe #trap=heap_oob
;;;   movl 0x10000004(%rsi), %eax
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; aarch64
;;; load:
;;; block0:
;;;   mov w6, w0
;;;   movz x7, #65528
;;;   subs xzr, x6, x7
;;;   b.hi #trap=heap_oob
;;;   movz x8, #1, LSL #32
;;;   add x8, x8, x0, UXTW
;;;   ldr w0, [x8, #4]
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; riscv64
;;; load:
;;; block0:
;;;   slli a0,a0,32
;;;   srli a0,a0,32
;;;   lui a1,16
;;;   addi a1,a1,-8
;;;   trap_if heap_oob##(a0 ugt a1)
;;;   lui a1,1
;;;   slli a1,a1,20
;;;   add a0,a0,a1
;;;   lw a0,4(a0)
;;;   j label1
;;; block1:
;;;   ret
;;;
