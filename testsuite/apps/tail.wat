;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Tail calls ten million deep, each way of making one; prints one line a way, and stops at
;; `unreachable` where a result is wrong.
(module $tail
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (type $step (func (param i64 i64) (result i64)))
  (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 f64 f64 f64 f64 f64 f64 f64 f64 f64 f64)
    (result i64)))
  (type $three (func (param i64 i64 i64) (result i64 i64 i64 f64 i32 i32 i32 i32 i32 i32 i32 i32)))
  (table funcref (elem $even $odd $fd_write))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\07\00\00\00")
  (data (i32.const 16) "direct\ntable \nwide  \nmany  \nhost  \n")

  ;; Direct: counts the first down, the second up.
  (func $count (type $step)
    (if (result i64) (i64.eqz (local.get 0))
      (then (local.get 1))
      (else (return_call $count
        (i64.sub (local.get 0) (i64.const 1)) (i64.add (local.get 1) (i64.const 1))))))

  ;; Through the table, two functions in turn.
  (func $even (type $step)
    (if (i64.eqz (local.get 0)) (then (return (i64.const 1))))
    (return_call_indirect (type $step)
      (i64.sub (local.get 0) (i64.const 1)) (local.get 1) (i32.const 1)))
  (func $odd (type $step)
    (if (i64.eqz (local.get 0)) (then (return (i64.const 0))))
    (return_call_indirect (type $step)
      (i64.sub (local.get 0) (i64.const 1)) (local.get 1) (i32.const 0)))

  ;; Between functions with few and with many arguments on the stack.
  (func $narrow (type $step)
    (return_call $wide (i64.sub (local.get 0) (i64.const 1))
      (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
      (local.get 1)
      (f64.const 1) (f64.const 2) (f64.const 3) (f64.const 4) (f64.const 5) (f64.const 6)
      (f64.const 7) (f64.const 8) (f64.const 9) (f64.const 10)))
  (func $wide (type $wide)
    (local $sum i64)
    (local.set $sum (i64.add (local.get 7)
      (i64.trunc_f64_s (f64.sub (local.get 17) (f64.add (local.get 16) (local.get 8))))))
    (local.set $sum (i64.add (local.get $sum) (i64.sub (local.get 6) (i64.const 5))))
    (if (i64.le_s (local.get 0) (i64.const 0)) (then (return (local.get $sum))))
    (return_call $narrow (local.get 0) (local.get $sum)))

  ;; More results than there are registers.
  (func $many (type $three)
    (if (i64.eqz (local.get 0)) (then
      (return (local.get 1) (local.get 2) (local.get 0) (f64.const 0.5)
        (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
        (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8))))
    (return_call $many (i64.sub (local.get 0) (i64.const 1)) (local.get 2) (local.get 1)))

  (func $print (param i32) (result i32)
    (i32.store (i32.const 0) (i32.add (i32.const 16) (i32.mul (i32.const 7) (local.get 0))))
    (return_call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
  (func $print_indirect (param i32) (result i32)
    (i32.store (i32.const 0) (i32.add (i32.const 16) (i32.mul (i32.const 7) (local.get 0))))
    (return_call_indirect (param i32 i32 i32 i32) (result i32)
      (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 2)))

  (func $require (param i32)
    (if (i32.eqz (local.get 0)) (then (unreachable))))
  (func (export "_start")
    (call $require (i64.eq (call $count (i64.const 10000000) (i64.const 5)) (i64.const 10000005)))
    (drop (call $print (i32.const 0)))
    (call $require (i64.eq (call $even (i64.const 10000001) (i64.const 0)) (i64.const 0)))
    (drop (call $print (i32.const 1)))
    (call $require (i64.eq (call $narrow (i64.const 10000000) (i64.const 7)) (i64.const 10000007)))
    (drop (call $print (i32.const 2)))
    (call $many (i64.const 10000001) (i64.const 3) (i64.const 4))
    (call $require (i32.eq (i32.const 8)))
    (call $require (i32.eq (i32.const 7)))
    (call $require (i32.eq (i32.const 6)))
    (call $require (i32.eq (i32.const 5)))
    (call $require (i32.eq (i32.const 4)))
    (call $require (i32.eq (i32.const 3)))
    (call $require (i32.eq (i32.const 2)))
    (call $require (i32.eq (i32.const 1)))
    (call $require (f64.eq (f64.const 0.5)))
    (call $require (i64.eqz))
    (call $require (i64.eq (i64.const 3)))
    (call $require (i64.eq (i64.const 4)))
    (drop (call $print (i32.const 3)))
    (drop (call $print_indirect (i32.const 4))))
)
