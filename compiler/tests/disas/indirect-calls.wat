;; target: x86_64
;; target: aarch64
;; target: riscv64

;; Calls through a table that nothing changes: no reference and no type is looked at, and there is
;; no bounds check where the index is certainly inside.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (type $unary (func (param i32) (result i32)))
  (table 8 funcref)
  (memory 1)
  (elem (i32.const 0) $add $sub $add $sub $add $sub $negate $sub)
  (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
  (func $sub (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $negate (type $unary) (i32.sub (i32.const 0) (local.get 0)))
  (func (export "checked") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 1) (i32.const 2) (local.get 0)))
  (func (export "masked") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 1) (i32.const 2)
      (i32.and (local.get 0) (i32.const 7))))
  (func (export "constant") (param i32) (result i32)
    (call_indirect (type $binary) (local.get 0) (i32.const 2) (i32.const 1)))
  (func (export "only") (param i32) (result i32)
    (call_indirect (type $unary) (i32.const 7) (local.get 0))))

;;; x86_64
;;; add:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   jmp     label1
;;; block1:
;;;   leal (%rdi, %rsi), %eax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; sub:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   jmp     label1
;;; block1:
;;;   movq %rdi, %rax
;;;   subl %esi, %eax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; negate:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   jmp     label1
;;; block1:
;;;   movq %rdi, %rax
;;;   negl %eax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; function[3]:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %edi
;;;   cmpq $0x8, %rdi
;;;   jnb #trap=user4
;;;   load_ext_name userextname0+0, %r9
;;;   movq (%r9, %rdi, 8), %r9
;;;   movl $0x1, %edi
;;;   movl $0x2, %esi
;;;   call    *%r9
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; function[4]:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   load_ext_name userextname0+0, %r8
;;;   andl $0x7, %edi
;;;   movq (%r8, %rdi, 8), %r8
;;;   movl $0x1, %edi
;;;   movl $0x2, %esi
;;;   call    *%r8
;;;   jmp     label1
;;; block1:
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; function[5]:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   jmp     label1
;;; block1:
;;;   leal -2(%rdi), %eax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;;
;;; function[6]:
;;;   pushq %rbp
;;;   movq %rsp, %rbp
;;; block0:
;;;   movl %edi, %esi
;;;   cmpq $0x6, %rsi
;;;   jz      label2; j label1
;;; block2:
;;;   jmp     label3
;;; block3:
;;;   movl $0xfffffff9, %eax
;;;   movq %rbp, %rsp
;;;   popq %rbp
;;;   retq
;;; block1:
;;;   cmpq $0x8, %rsi
;;;   jnb #trap=user4
;;;   load_ext_name userextname0+0, %r10
;;;   movq (%r10, %rsi, 8), %r10
;;;   movl 8(%r10), %r10d
;;;   ud2
;;;
;;; aarch64
;;; add:
;;; block0:
;;;   b label1
;;; block1:
;;;   add w0, w0, w1
;;;   ret
;;;
;;; sub:
;;; block0:
;;;   b label1
;;; block1:
;;;   sub w0, w0, w1
;;;   ret
;;;
;;; negate:
;;; block0:
;;;   b label1
;;; block1:
;;;   sub w0, wzr, w0
;;;   ret
;;;
;;; function[3]:
;;;   stp fp, lr, [sp, #-16]!
;;;   mov fp, sp
;;; block0:
;;;   mov w7, w0
;;;   subs xzr, x7, #8
;;;   b.hs #trap=user4
;;;   load_ext_name_near x9, User(userextname0)+0
;;;   ldr x9, [x9, w0, UXTW #3]
;;;   movz w0, #1
;;;   movz w1, #2
;;;   blr x9
;;;   b label1
;;; block1:
;;;   ldp fp, lr, [sp], #16
;;;   ret
;;;
;;; function[4]:
;;;   stp fp, lr, [sp, #-16]!
;;;   mov fp, sp
;;; block0:
;;;   load_ext_name_near x7, User(userextname0)+0
;;;   and w8, w0, #7
;;;   ldr x7, [x7, w8, UXTW #3]
;;;   movz w0, #1
;;;   movz w1, #2
;;;   blr x7
;;;   b label1
;;; block1:
;;;   ldp fp, lr, [sp], #16
;;;   ret
;;;
;;; function[5]:
;;; block0:
;;;   b label1
;;; block1:
;;;   sub w0, w0, #2
;;;   ret
;;;
;;; function[6]:
;;; block0:
;;;   mov w6, w0
;;;   subs xzr, x6, #6
;;;   b.eq label2 ; b label1
;;; block2:
;;;   b label3
;;; block3:
;;;   movn w0, #6
;;;   ret
;;; block1:
;;;   subs xzr, x6, #8
;;;   b.hs #trap=user4
;;;   load_ext_name_near x10, User(userextname0)+0
;;;   ldr x10, [x10, w0, UXTW #3]
;;;   ldr w10, [x10, #8]
;;;   udf #0xc11f
;;;
;;; riscv64
;;; add:
;;; block0:
;;;   j label1
;;; block1:
;;;   addw a0,a0,a1
;;;   ret
;;;
;;; sub:
;;; block0:
;;;   j label1
;;; block1:
;;;   subw a0,a0,a1
;;;   ret
;;;
;;; negate:
;;; block0:
;;;   j label1
;;; block1:
;;;   sub a0,zero,a0
;;;   ret
;;;
;;; function[3]:
;;;   addi sp,sp,-16
;;;   sd ra,8(sp)
;;;   sd fp,0(sp)
;;;   mv fp,sp
;;; block0:
;;;   slli a0,a0,32
;;;   srli a2,a0,32
;;;   li a1,8
;;;   trap_if user4##(a2 uge a1)
;;;   load_ext_name_near a3,userextname0+0
;;;   slli a2,a2,3
;;;   add a2,a3,a2
;;;   ld a2,0(a2)
;;;   li a0,1
;;;   li a1,2
;;;   callind a2
;;;   j label1
;;; block1:
;;;   ld ra,8(sp)
;;;   ld fp,0(sp)
;;;   addi sp,sp,16
;;;   ret
;;;
;;; function[4]:
;;;   addi sp,sp,-16
;;;   sd ra,8(sp)
;;;   sd fp,0(sp)
;;;   mv fp,sp
;;; block0:
;;;   load_ext_name_near a1,userextname0+0
;;;   andi a2,a0,7
;;;   slli a0,a2,32
;;;   srli a2,a0,32
;;;   slli a2,a2,3
;;;   add a1,a1,a2
;;;   ld a2,0(a1)
;;;   li a0,1
;;;   li a1,2
;;;   callind a2
;;;   j label1
;;; block1:
;;;   ld ra,8(sp)
;;;   ld fp,0(sp)
;;;   addi sp,sp,16
;;;   ret
;;;
;;; function[5]:
;;; block0:
;;;   j label1
;;; block1:
;;;   addiw a0,a0,-2
;;;   ret
;;;
;;; function[6]:
;;; block0:
;;;   slli a0,a0,32
;;;   srli a2,a0,32
;;;   li a1,6
;;;   beq a2,a1,taken(label2),not_taken(label1)
;;; block2:
;;;   j label3
;;; block3:
;;;   li a0,-7
;;;   ret
;;; block1:
;;;   li a3,8
;;;   trap_if user4##(a2 uge a3)
;;;   load_ext_name_near a3,userextname0+0
;;;   slli a4,a2,3
;;;   add a3,a3,a4
;;;   ld a3,0(a3)
;;;   lw a3,8(a3)
;;;   udf##trap_code=user6
;;;
