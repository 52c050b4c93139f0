;; target: x86_64

;; A small body takes the place of the call; there is no call and no code of its own.
(module
  (memory 1)
  (func $get (param i32) (result i32)
    (i32.load (i32.add (local.get 0) (i32.const 4))))
  (func (export "sum") (param i32 i32) (result i32)
    (i32.add (call $get (local.get 0)) (call $get (local.get 1)))))

;;; x86_64
;;; get:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   leal 4(%rdi), %esi
;;;   movl 0x10000000(%rsi), %eax
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
;;;   leal 4(%rdi), %edi
;;;   movl 0x10000000(%rdi), %edi
;;;   leal 4(%rsi), %r8d
;;;   movl 0x10000000(%r8), %r8d
;;;   jmp     label1
;;; block1:
;;;   leal (%rdi, %r8), %eax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
