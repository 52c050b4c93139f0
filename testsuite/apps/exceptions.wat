;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Exceptions thrown and caught in every way; a line a way, `unreachable` where a value is wrong.
(module $exceptions
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (type $unary (func (param i32) (result i32)))
  (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64 i64 i64 i64)))
  (tag $number (param i32))
  (tag $many (export "many") (param i32 i64 f32 f64 i64))
  (tag $empty)
  (table funcref (elem $deep $wide))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\08\00\00\00")
  (data (i32.const 16)
    "same   \ndeep   \ntable  \nmany   \nrethrow\nnested \nwide   \nloop   \nall    \nlocals \n")

  (func $print (param i32)
    (i32.store (i32.const 0) (i32.add (i32.const 16) (i32.shl (local.get 0) (i32.const 3))))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $require (param i32)
    (if (i32.eqz (local.get 0)) (then (unreachable))))

  ;; Throws from `n` calls further down.
  (func $deep (type $unary)
    (if (i32.eqz (local.get 0)) (then (throw $number (i32.const 42))))
    (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))

  ;; With arguments and results on the stack; throws where the first is negative.
  (func $wide (type $wide)
    (if (i64.lt_s (local.get 0) (i64.const 0))
      (then (throw $many (i32.const 1) (local.get 7) (f32.const 2.5) (f64.const -3.5)
        (local.get 6))))
    (local.get 7) (local.get 6) (local.get 5) (local.get 4))

  ;; Thrown and caught in one function.
  (func $same (type $unary)
    (block $caught (result i32)
      (try_table (result i32) (catch $number $caught)
        (if (local.get 0) (then (throw $number (i32.add (local.get 0) (i32.const 1)))))
        (i32.const 7))))

  (func $catch_deep (type $unary)
    (block $none
      (block $caught (result i32)
        (try_table (catch $empty $none) (catch $number $caught)
          (return (call $deep (local.get 0))))
        (unreachable))
      (return))
    (i32.const -1))

  (func $catch_table (type $unary)
    (block $caught (result i32)
      (try_table (result i32) (catch $number $caught)
        (call_indirect (type $unary) (local.get 0) (i32.const 0)))
      (return)))

  (func $catch_many (result i32 i64 f32 f64 i64)
    (block $caught (result i32 i64 f32 f64 i64)
      (try_table (catch $many $caught)
        (call_indirect (type $wide) (i64.const -1) (i64.const 1) (i64.const 2) (i64.const 3)
          (i64.const 4) (i64.const 5) (i64.const 60) (i64.const 70) (i32.const 1))
        (unreachable))
      (unreachable)))

  ;; Caught with its reference, and thrown again.
  (func $rethrow (type $unary)
    (block $again (result i32 exnref)
      (try_table (catch_ref $number $again)
        (return (call $deep (local.get 0))))
      (unreachable))
    (throw_ref))
  (func $catch_rethrow (type $unary)
    (block $caught (result i32)
      (try_table (catch $number $caught)
        (drop (call $rethrow (local.get 0)))
        (return (i32.const -1)))
      (unreachable)))

  ;; The inner clauses do not fit, the outer ones do.
  (func $nested (type $unary)
    (block $outer (result i32)
      (try_table (catch $number $outer)
        (block $inner
          (try_table (catch $empty $inner)
            (drop (call $deep (local.get 0))))
          (unreachable))
        (return (i32.const 1)))
      (return (i32.const 2))))

  ;; Normal results beside handlers.
  (func $catch_wide (result i64)
    (local $sum i64)
    (block $caught
      (try_table (catch_all $caught)
        (call $wide (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
          (i64.const 6) (i64.const 7) (i64.const 8))
        i64.add
        i64.add
        i64.add
        (local.set $sum)))
    (local.get $sum))

  ;; A hundred thousand exceptions, thrown from 0 to 15 calls down.
  (func $loop (result i32)
    (local $i i32) (local $sum i32)
    (loop $again
      (block $caught (result i32)
        (try_table (result i32) (catch $number $caught)
          (call $deep (i32.and (local.get $i) (i32.const 15)))))
      (local.set $sum (i32.add (local.get $sum)))
      (br_if $again (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
    (local.get $sum))

  (func $all (type $unary)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught)
        (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $empty)))
        (drop (call $deep (local.get 0))))
      (return (i32.const 0)))
    (return (i32.add (ref.is_null) (i32.const 5))))

  ;; Locals hold what they held when the call was made.
  (func $locals (param $f f64) (result f64)
    (local $i i32) (local $x f64) (local $n i64)
    (local.set $x (f64.mul (local.get $f) (f64.const 2)))
    (local.set $n (i64.const 1000))
    (block $caught
      (try_table (catch_all $caught)
        (loop $again
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (local.set $n (i64.sub (local.get $n) (i64.const 1)))
          (local.set $x (f64.add (local.get $x) (f64.const 0.5)))
          (if (i32.eq (local.get $i) (i32.const 10)) (then (drop (call $deep (i32.const 3)))))
          (br $again))))
    (f64.add (local.get $x)
      (f64.add (f64.convert_i32_s (local.get $i)) (f64.convert_i64_s (local.get $n)))))

  (func (export "_start")
    (call $require (i32.eq (call $same (i32.const 8)) (i32.const 9)))
    (call $require (i32.eq (call $same (i32.const 0)) (i32.const 7)))
    (call $print (i32.const 0))
    (call $require (i32.eq (call $catch_deep (i32.const 0)) (i32.const 42)))
    (call $require (i32.eq (call $catch_deep (i32.const 1000)) (i32.const 42)))
    (call $print (i32.const 1))
    (call $require (i32.eq (call $catch_table (i32.const 3)) (i32.const 42)))
    (call $print (i32.const 2))
    (call $catch_many)
    (call $require (i64.eq (i64.const 60)))
    (call $require (f64.eq (f64.const -3.5)))
    (call $require (f32.eq (f32.const 2.5)))
    (call $require (i64.eq (i64.const 70)))
    (call $require)
    (call $print (i32.const 3))
    (call $require (i32.eq (call $catch_rethrow (i32.const 5)) (i32.const 42)))
    (call $print (i32.const 4))
    (call $require (i32.eq (call $nested (i32.const 2)) (i32.const 42)))
    (call $print (i32.const 5))
    (call $require (i64.eq (call $catch_wide) (i64.const 26)))
    (call $print (i32.const 6))
    (call $require (i32.eq (call $loop) (i32.const 4200000)))
    (call $print (i32.const 7))
    (call $require (i32.eq (call $all (i32.const 1)) (i32.const 5)))
    (call $require (i32.eq (call $all (i32.const 9)) (i32.const 5)))
    (call $print (i32.const 8))
    (call $require (f64.eq (call $locals (f64.const 4)) (f64.const 1013)))
    (call $print (i32.const 9)))
)
