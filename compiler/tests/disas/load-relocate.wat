;; target: x86_64
;; target: aarch64
;; target: riscv64
;; memory-base: relocate

;; The base is an address that the loader fills in.
(module
  (memory 1)
  (func $load (param i32) (result i32)
    (i32.load offset=4 (local.get 0))))

;;; x86_64
;;; load:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   load_ext_name userextname0+0, %rdi
;;;   movl 4(%rdi, %rsi), %eax
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; aarch64
;;; load:
;;; block0:
;;;   load_ext_name_far x4, User(userextname0)+0
;;;   add x4, x4, x0, UXTW
;;;   ldr w0, [x4, #4]
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; riscv64
;;; load:
;;; block0:
;;;   load_ext_name_far a1,userextname0+0
;;;   slli a0,a0,32
;;;   srli a0,a0,32
;;;   add a0,a1,a0
;;;   lw a0,4(a0)
;;;   j label1
;;; block1:
;;;   ret
;;;
