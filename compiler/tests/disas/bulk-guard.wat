;; target: x86_64

;; Small constant lengths: loads, then stores, the last bytes first; the guard is the check.
(module
  (memory 1)
  (func (export "copy") (param i32 i32)
    (memory.copy (local.get 0) (local.get 1) (i32.const 40)))
  (func (export "fill") (param i32)
    (memory.fill (local.get 0) (i32.const 0) (i32.const 24))))

;;; x86_64
;;; function[0]:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %edi
;;;   movl %esi, %r8d
;;;   movdqu 0x10000018(%r8), %xmm7
;;;   movdqu 0x10000000(%r8), %xmm0
;;;   movdqu 0x10000010(%r8), %xmm1
;;;   movdqu %xmm7, 0x10000018(%rdi)
;;;   movdqu %xmm0, 0x10000000(%rdi)
;;;   movdqu %xmm1, 0x10000010(%rdi)
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; function[1]:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   uninit  %xmm4
;;;   pxor %xmm4, %xmm4
;;;   movdqu %xmm4, 0x10000008(%rsi)
;;;   movdqu %xmm4, 0x10000000(%rsi)
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
