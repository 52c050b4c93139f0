;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;; Indices that wrap, or nearly: what the optimizer may take for a sum of 64 bits and what not.

(module
  (memory (export "m") 2)

  (func (export "set") (param $at i32) (param $value i32)
    (i32.store (local.get $at) (local.get $value)))
  (func (export "get") (param $at i32) (result i32) (i32.load (local.get $at)))

  ;; Up through the end of the index type: 0xfffffff0 + 16 is 0.
  (func (export "up-through-zero") (param $count i32) (result i32)
    (local $p i32) (local $sum i32)
    (local.set $p (i32.const -16))
    (loop $again
      (if (i32.ge_u (local.get $p) (i32.const 0x80000000))
        (then)
        (else (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $p))))))
      (local.set $p (i32.add (local.get $p) (i32.const 4)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $sum))

  ;; The same, accessed each time round: traps before it wraps.
  (func (export "up-from") (param $p i32) (param $count i32)
    (loop $again
      (i32.store (local.get $p) (i32.const 7))
      (i32.store offset=4 (i32.add (local.get $p) (i32.const 4)) (i32.const 8))
      (local.set $p (i32.add (local.get $p) (i32.const 12)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; Down through 0: the access at -4 is far outside.
  (func (export "down-from") (param $p i32) (param $count i32)
    (loop $again
      (i32.store (local.get $p) (i32.const 9))
      (local.set $p (i32.sub (local.get $p) (i32.const 4)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; One element before: wraps at 0.
  (func (export "before") (param $p i32) (result i32)
    (i32.load (i32.sub (local.get $p) (i32.const 4))))
  (func (export "here-and-before") (param $p i32) (result i32)
    (i32.add (i32.load (local.get $p)) (i32.load (i32.sub (local.get $p) (i32.const 4)))))
  (func (export "before-and-here") (param $p i32) (result i32)
    (i32.add (i32.load (i32.sub (local.get $p) (i32.const 4))) (i32.load (local.get $p))))
  ;; One that has not wrapped says nothing of one a little higher.
  (func (export "wraps-to-small") (param $p i32) (result i32)
    (i32.add (i32.load (i32.add (local.get $p) (i32.const 8)))
             (i32.load (i32.add (local.get $p) (i32.const 12)))))

  ;; A bound that the step jumps over, and comes back to.
  (func (export "jumps-over") (result i32)
    (local $i i32) (local $n i32)
    (loop $again
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (i32.store8 (i32.and (local.get $i) (i32.const 0xff)) (i32.const 1))
      (br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 0x30000001)))
                            (i32.const 0x800003e8))))
    (local.get $n))

  ;; Rows and columns, each with a constant.
  (func (export "rows") (result i32)
    (local $row i32) (local $i i32) (local $sum i32)
    (local.set $row (i32.const 4096))
    (loop $rows
      (local.set $i (i32.const 0))
      (loop $columns
        (i32.store (i32.add (i32.add (local.get $row) (local.get $i)) (i32.const 8))
                   (local.get $i))
        (local.set $sum (i32.add (local.get $sum)
          (i32.load (i32.sub (i32.add (local.get $row) (local.get $i)) (i32.const 248)))))
        (br_if $columns (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 16)))
                                (i32.const 320))))
      (br_if $rows (i32.ne (local.tee $row (i32.add (local.get $row) (i32.const 320)))
                           (i32.const 36096))))
    (local.get $sum))

  ;; From a negative constant up to 0, as compilers count.
  (func (export "from-negative") (result i32)
    (local $i i32) (local $sum i32)
    (local.set $i (i32.const -400))
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.load (i32.add (local.get $i) (i32.const 5000)))))
      (br_if $again (local.tee $i (i32.add (local.get $i) (i32.const 4)))))
    (local.get $sum))

  ;; The induction variable is needed afterwards, in 32 bits.
  (func (export "afterwards") (param $n i32) (result i64)
    (local $i i32)
    (loop $again
      (i32.store (i32.add (i32.shl (local.get $i) (i32.const 2)) (i32.const 64)) (local.get $i))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                              (i32.and (local.get $n) (i32.const 63)))))
    (i64.extend_i32_s (i32.sub (local.get $i) (i32.const 100)))))

(assert_return (invoke "set" (i32.const 0) (i32.const 1)))
(assert_return (invoke "set" (i32.const 4) (i32.const 10)))
(assert_return (invoke "set" (i32.const 8) (i32.const 100)))
(assert_return (invoke "up-through-zero" (i32.const 7)) (i32.const 111))
(assert_trap (invoke "up-from" (i32.const 131000) (i32.const 100)) "out of bounds memory access")
(assert_return (invoke "get" (i32.const 131060)) (i32.const 7))
(assert_return (invoke "get" (i32.const 131068)) (i32.const 8))
(assert_trap (invoke "up-from" (i32.const -4) (i32.const 3)) "out of bounds memory access")
(assert_trap (invoke "up-from" (i32.const -16) (i32.const 3)) "out of bounds memory access")
(assert_return (invoke "get" (i32.const 0)) (i32.const 1))
(assert_trap (invoke "down-from" (i32.const 8) (i32.const 4)) "out of bounds memory access")
(assert_return (invoke "get" (i32.const 0)) (i32.const 9))
(assert_return (invoke "get" (i32.const 4)) (i32.const 9))
(assert_return (invoke "set" (i32.const 131068) (i32.const 5)))
(assert_trap (invoke "before" (i32.const 0)) "out of bounds memory access")
(assert_trap (invoke "before" (i32.const 3)) "out of bounds memory access")
(assert_return (invoke "before" (i32.const 4)) (i32.const 9))
(assert_return (invoke "before" (i32.const 131072)) (i32.const 5))
(assert_trap (invoke "here-and-before" (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "here-and-before" (i32.const 4)) (i32.const 18))
(assert_trap (invoke "before-and-here" (i32.const 2)) "out of bounds memory access")
(assert_return (invoke "before-and-here" (i32.const 4)) (i32.const 18))
(assert_return (invoke "wraps-to-small" (i32.const -8)) (i32.const 18))
(assert_trap (invoke "wraps-to-small" (i32.const -12)) "out of bounds memory access")
(assert_return (invoke "jumps-over") (i32.const 1000))
(assert_return (invoke "rows") (i32.const 301056))
(assert_return (invoke "from-negative") (i32.const 4080))
(assert_return (invoke "afterwards" (i32.const 10)) (i64.const -90))
(assert_return (invoke "get" (i32.const 100)) (i32.const 9))
(assert_return (invoke "afterwards" (i32.const 0)) (i64.const -99))
