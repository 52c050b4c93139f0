;; target: riscv64
;; cpu: rv64gcv

(module
  (memory 1)
  (func $add (param i32)
    (v128.store (local.get 0)
      (i32x4.add (v128.load (local.get 0)) (v128.load offset=16 (local.get 0))))))

;;; riscv64
;;; add:
;;; block0:
;;;   slli a0,a0,32
;;;   srli a0,a0,32
;;;   lui a1,1
;;;   slli a1,a1,20
;;;   add a0,a0,a1
;;;   vle8.v v9,0(a0) #avl=16, #vtype=(e8, m1, ta, ma)
;;;   vle8.v v10,16(a0) #avl=16, #vtype=(e8, m1, ta, ma)
;;;   vadd.vv v9,v9,v10 #avl=4, #vtype=(e32, m1, ta, ma)
;;;   vse8.v v9,0(a0) #avl=16, #vtype=(e8, m1, ta, ma)
;;;   j label1
;;; block1:
;;;   ret
;;;
