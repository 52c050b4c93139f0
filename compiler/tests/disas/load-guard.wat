;; target: x86_64
;; target: aarch64
;; target: riscv64

;; Guard regions, constant base: the zero extension of the index, and one or two instructions.
(module
  (memory 1 2)
  (func $plain (param i32) (result i32)
    (i32.load (local.get 0)))
  (func $offset (param i32) (result i32)
    (i32.load offset=4 (local.get 0)))
  (func $fields (param i32) (result i64)
    (i64.store offset=24 (local.get 0) (i64.load offset=16 (local.get 0)))
    (i64.load offset=8 (local.get 0)))
  (func $far (param i32) (result i32)
    (i32.load8_u offset=0x7fffffff (local.get 0))))

;;; x86_64
;;; plain:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   movl 0x10000000(%rsi), %eax
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; offset:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   movl 0x10000004(%rsi), %eax
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; fields:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   movq 0x10000010(%rsi), %rdi
;;;   movq %rdi, 0x10000018(%rsi)
;;;   movq 0x10000008(%rsi), %rax
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; far:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   movl $0x8fffffff, %edi
;;;   movzbq (%rsi, %rdi), %rax
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; aarch64
;;; plain:
;;; block0:
;;;   movz x3, #1, LSL #32
;;;   ldr w0, [x3, w0, UXTW]
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; offset:
;;; block0:
;;;   movz x4, #1, LSL #32
;;;   add x4, x4, x0, UXTW
;;;   ldr w0, [x4, #4]
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; fields:
;;; block0:
;;;   movz x5, #1, LSL #32
;;;   add x5, x5, x0, UXTW
;;;   ldr x6, [x5, #16]
;;;   str x6, [x5, #24]
;;;   ldr x0, [x5, #8]
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; far:
;;; block0:
;;;   movz x5, #65535
;;;   movk x5, x5, #32767, LSL #16
;;;   movk x5, x5, #1, LSL #32
;;;   ldrb w0, [x5, w0, UXTW]
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; riscv64
;;; plain:
;;; block0:
;;;   slli a0,a0,32
;;;   srli a0,a0,32
;;;   lui a1,1
;;;   slli a1,a1,20
;;;   add a0,a0,a1
;;;   lw a0,0(a0)
;;;   j label1
;;; block1:
;;;   ret
;;;
;;; offset:
;;; block0:
;;;   slli a0,a0,32
;;;   srli a0,a0,32
;;;   lui a1,1
;;;   slli a1,a1,20
;;;   add a0,a0,a1
;;;   lw a0,4(a0)
;;;   j label1
;;; block1:
;;;   ret
;;;
;;; fields:
;;; block0:
;;;   slli a0,a0,32
;;;   srli a0,a0,32
;;;   lui a1,1
;;;   slli a1,a1,20
;;;   add a0,a0,a1
;;;   ld a1,16(a0)
;;;   sd a1,24(a0)
;;;   ld a0,8(a0)
;;;   j label1
;;; block1:
;;;   ret
;;;
;;; far:
;;; block0:
;;;   slli a0,a0,32
;;;   srli a0,a0,32
;;;   ld a1,[const(0)]
;;;   add a0,a0,a1
;;;   lbu a0,0(a0)
;;;   j label1
;;; block1:
;;;   ret
;;;
