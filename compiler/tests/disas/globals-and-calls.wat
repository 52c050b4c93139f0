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
;;;   movl %edi, %r8d
;;;   testq %r8, %r8
;;;   jz      label2; j label1
;;; block2:
;;;   load_ext_name userextname1+0, %rax
;;;   movl (%rax), %ecx
;;;   leal (%rcx, %r8), %ecx
;;;   movl %ecx, (%rax)
;;;   jmp     label3
;;; block3:
;;;   movq %rcx, %rax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;; block1:
;;;   cmpq $0x4, %r8
;;;   jnb #trap=user4
;;;   load_ext_name userextname0+0, %rax
;;;   movq (%rax, %r8, 8), %rax
;;;   movl 8(%rax), %eax
;;;   ud2
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
;;; block0:
;;;   mov w8, w0
;;;   cbz x8, label2 ; b label1
;;; block2:
;;;   load_ext_name_near x12, User(userextname1)+0
;;;   ldr w13, [x12]
;;;   add w0, w13, w0
;;;   str w0, [x12]
;;;   b label3
;;; block3:
;;;   ret
;;; block1:
;;;   subs xzr, x8, #4
;;;   b.hs #trap=user4
;;;   load_ext_name_near x11, User(userextname0)+0
;;;   ldr x11, [x11, w0, UXTW #3]
;;;   ldr w11, [x11, #8]
;;;   udf #0xc11f
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
;;; block0:
;;;   slli a1,a0,32
;;;   srli a3,a1,32
;;;   beq a3,zero,taken(label2),not_taken(label1)
;;; block2:
;;;   load_ext_name_near a5,userextname1+0
;;;   lw a1,0(a5)
;;;   addw a0,a1,a0
;;;   sw a0,0(a5)
;;;   j label3
;;; block3:
;;;   ret
;;; block1:
;;;   li a4,4
;;;   trap_if user4##(a3 uge a4)
;;;   load_ext_name_near a4,userextname0+0
;;;   slli a5,a3,3
;;;   add a4,a4,a5
;;;   ld a4,0(a4)
;;;   lw a4,8(a4)
;;;   udf##trap_code=user6
;;;
