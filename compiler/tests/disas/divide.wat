;; target: x86_64
;; target: aarch64
;; target: riscv64

;; The two traps of a division: comparisons where the processor has none of its own.
(module
  (func $div_s (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func $rem_u (param i64 i64) (result i64)
    (i64.rem_u (local.get 0) (local.get 1))))

;;; x86_64
;;; div_s:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movq %rdi, %rax
;;;   cltd  ;; implicit: %edx, %eax
;;;   testl %esi, %esi
;;;   jz #trap=int_divz
;;;   idivl %esi ;; implicit: %eax, %edx, trap=252
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; rem_u:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   uninit  %rdx
;;;   xorq %rdx, %rdx
;;;   movq %rdi, %rax
;;;   divq %rsi ;; implicit: %rax, %rdx, trap=254
;;;   jmp     label1
;;; block1:
;;;   movq %rdx, %rax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; aarch64
;;; div_s:
;;; block0:
;;;   cbz w1, #trap=int_divz
;;;   adds wzr, w1, #1
;;;   ccmp w0, #1, #nzcv, eq
;;;   b.vs #trap=int_ovf
;;;   sdiv w0, w0, w1
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; rem_u:
;;; block0:
;;;   cbz x1, #trap=int_divz
;;;   udiv x4, x0, x1
;;;   msub x0, x4, x1, x0
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; riscv64
;;; div_s:
;;; block0:
;;;   sext.w a0,a0
;;;   sext.w a1,a1
;;;   trap_if int_divz##(a1 eq zero)
;;;   lui a2,-524288
;;;   xor a2,a0,a2
;;;   not a3,a1
;;;   or a4,a2,a3
;;;   trap_if int_ovf##(a4 eq zero)
;;;   divw a0,a0,a1
;;;   j label1
;;; block1:
;;;   ret
;;;
;;; rem_u:
;;; block0:
;;;   trap_if int_divz##(a1 eq zero)
;;;   remu a0,a0,a1
;;;   j label1
;;; block1:
;;;   ret
;;;
