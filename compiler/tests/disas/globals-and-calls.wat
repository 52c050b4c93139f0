;; target: x86_64
;; target: aarch64
;; target: riscv64

;; No instance pointer: globals and tables have addresses, calls are direct.
(module
  (import "env" "f" (func $f))
  (type $t (func (param i32) (result i32)))
  (table $table 4 funcref)
  (elem (i32.const 0) $global)
  (global $g (mut i32) (i32.const 1))
  (func $global (param i32) (result i32)
    (global.set $g (i32.add (global.get $g) (local.get 0)))
    (global.get $g))
  (func $direct
    (call $f))
  (func $indirect (param i32) (result i32)
    (call_indirect $table (type $t) (local.get 0) (local.get 0))))

;;; x86_64
;;; global:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   load_ext_name userextname0+0, %rsi
;;;   movl (%rsi), %r8d
;;;   leal (%r8, %rdi), %eax
;;;   movl %eax, (%rsi)
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; direct:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   call    User(userextname0)
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; indirect:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %edi
;;;   cmpq $0x4, %rdi
;;;   jnb #trap=user4
;;;   load_ext_name userextname0+0, %r9
;;;   movq (%r9, %rdi, 8), %r9
;;;   movl 8(%r9), %r10d
;;;   cmpl $0x3b9e2df7, %r10d
;;;   jnz #trap=user6
;;;   movq (%r9), %r11
;;;   call    *%r11
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; aarch64
;;; global:
;;; block0:
;;;   load_ext_name_near x4, User(userextname0)+0
;;;   ldr w5, [x4]
;;;   add w0, w5, w0
;;;   str w0, [x4]
;;;   b label1
;;; block1:
;;;   ret
;;;
;;; direct:
;;;   stp fp, lr, [sp, #-16]!
;;;   mov fp, sp
;;; block0:
;;;   bl 0
;;;   b label1
;;; block1:
;;;   ldp fp, lr, [sp], #16
;;;   ret
;;;
;;; indirect:
;;;   stp fp, lr, [sp, #-16]!
;;;   mov fp, sp
;;; block0:
;;;   mov w9, w0
;;;   subs xzr, x9, #4
;;;   b.hs #trap=user4
;;;   load_ext_name_near x11, User(userextname0)+0
;;;   ldr x11, [x11, w0, UXTW #3]
;;;   ldr w12, [x11, #8]
;;;   movz w13, #11767
;;;   movk w13, w13, #15262, LSL #16
;;;   subs wzr, w12, w13
;;;   b.ne #trap=user6
;;;   ldr x13, [x11]
;;;   blr x13
;;;   b label1
;;; block1:
;;;   ldp fp, lr, [sp], #16
;;;   ret
;;;
;;; riscv64
;;; global:
;;; block0:
;;;   mv a2,a0
;;;   load_ext_name_near a0,userextname0+0
;;;   lw a1,0(a0)
;;;   addw a1,a1,a2
;;;   sw a1,0(a0)
;;;   j label1
;;; block1:
;;;   mv a0,a1
;;;   ret
;;;
;;; direct:
;;;   addi sp,sp,-16
;;;   sd ra,8(sp)
;;;   sd fp,0(sp)
;;;   mv fp,sp
;;; block0:
;;;   call userextname0
;;;   j label1
;;; block1:
;;;   ld ra,8(sp)
;;;   ld fp,0(sp)
;;;   addi sp,sp,16
;;;   ret
;;;
;;; indirect:
;;;   addi sp,sp,-16
;;;   sd ra,8(sp)
;;;   sd fp,0(sp)
;;;   mv fp,sp
;;; block0:
;;;   slli a4,a0,32
;;;   srli a1,a4,32
;;;   li a5,4
;;;   trap_if user4##(a1 uge a5)
;;;   load_ext_name_near a2,userextname0+0
;;;   slli a1,a1,3
;;;   add a1,a2,a1
;;;   ld a1,0(a1)
;;;   lw a2,8(a1)
;;;   lui a5,244195
;;;   addi a3,a5,-521
;;;   sext.w a5,a2
;;;   sext.w a2,a3
;;;   trap_if user6##(a5 ne a2)
;;;   ld a1,0(a1)
;;;   callind a1
;;;   j label1
;;; block1:
;;;   ld ra,8(sp)
;;;   ld fp,0(sp)
;;;   addi sp,sp,16
;;;   ret
;;;
