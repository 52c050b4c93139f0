;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Exported functions for `--invoke`: every value type, several results, block parameters.
(module $values
  (func (export "_start"))
  (func (export "add32") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "add64") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
  (func (export "mulf32") (param f32 f32) (result f32) (f32.mul (local.get 0) (local.get 1)))
  (func (export "divf64") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
  (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  ;; More results than there are registers for them.
  (func $five (export "five") (param i32) (result i32 i64 f32 f64 i32)
    (local.get 0)
    (i64.extend_i32_s (local.get 0))
    (f32.convert_i32_s (local.get 0))
    (f64.convert_i32_s (local.get 0))
    (i32.mul (local.get 0) (local.get 0)))
  (func (export "five_again") (param i32) (result i32 i64 f32 f64 i32)
    (call $five (i32.add (local.get 0) (i32.const 1))))
  ;; Greatest common divisor, the pair carried round the loop as block parameters.
  (func (export "gcd") (param i32 i32) (result i32)
    (local $a i32) (local $b i32)
    (local.get 0) (local.get 1)
    (loop $again (param i32 i32) (result i32)
      (local.set $b) (local.set $a)
      (if (result i32) (i32.eqz (local.get $b))
        (then (local.get $a))
        (else
          (local.get $b) (i32.rem_u (local.get $a) (local.get $b))
          (br $again)))))
  (func (export "many") (param i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64) (result f64)
    (f64.add
      (f64.add
        (f64.convert_i32_s (i32.sub (local.get 0) (i32.mul (local.get 4) (local.get 8))))
        (f64.convert_i64_s (i64.sub (local.get 1) (i64.mul (local.get 5) (local.get 9)))))
      (f64.sub
        (f64.promote_f32 (f32.sub (local.get 2) (f32.mul (local.get 6) (local.get 10))))
        (f64.mul (local.get 3) (f64.sub (local.get 7) (local.get 11))))))
)
