;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Every way in which a program of WebAssembly 2.0 can trap, one exported function a way, called
;; with `--invoke`. Without `--invoke`, `_start` does nothing.
(module $traps
  (memory (export "memory") 1 2)
  (table $funcs 4 8 funcref)
  (table $externs 2 externref)
  (type $nullary (func))
  (type $unary (func (param i32) (result i32)))
  (elem (i32.const 1) $twice $nothing)
  (elem $passive func $twice $nothing)
  (data $bytes "abcdef")

  (func $twice (type $unary) (i32.shl (local.get 0) (i32.const 1)))
  (func $nothing (type $nullary))
  (func (export "_start"))

  (func (export "unreachable") (unreachable))

  ;; Integers.
  (func (export "div32") (drop (i32.div_s (i32.const 1) (i32.const 0))))
  (func (export "divu32") (drop (i32.div_u (i32.const 1) (i32.const 0))))
  (func (export "rem32") (drop (i32.rem_s (i32.const 1) (i32.const 0))))
  (func (export "remu64") (drop (i64.rem_u (i64.const 1) (i64.const 0))))
  (func (export "div64") (drop (i64.div_s (i64.const 1) (i64.const 0))))
  (func (export "overflow32") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
  (func (export "overflow64")
    (drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1))))
  ;; The remainder of the same is defined: 0.
  (func (export "rem_min") (result i32)
    (i32.rem_s (i32.const 0x80000000) (i32.const -1)))

  ;; Conversions.
  (func (export "trunc_nan") (drop (i32.trunc_f64_s (f64.const nan))))
  (func (export "trunc_big") (drop (i32.trunc_f64_s (f64.const 2147483648.0))))
  (func (export "trunc_negative") (drop (i64.trunc_f32_u (f32.const -1))))
  (func (export "trunc_edge") (result i32) (i32.trunc_f64_s (f64.const 2147483647.9)))

  ;; Memory: one page, so the first address that does not exist is 65536.
  (func (export "load_at") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "load_wide") (param i32) (result i64) (i64.load (local.get 0)))
  (func (export "load_offset") (param i32) (result i32)
    (i32.load offset=0xfffffffc (local.get 0)))
  (func (export "store_at") (param i32) (i32.store16 (local.get 0) (i32.const 7)))
  (func (export "fill_past") (memory.fill (i32.const 65530) (i32.const 1) (i32.const 7)))
  (func (export "copy_past") (memory.copy (i32.const 65530) (i32.const 0) (i32.const 7)))
  (func (export "copy_from_past") (memory.copy (i32.const 0) (i32.const -1) (i32.const 1)))
  (func (export "init_past") (memory.init $bytes (i32.const 0) (i32.const 3) (i32.const 4)))
  (func (export "init_dropped")
    (data.drop $bytes)
    (memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 1)))
  ;; At the end with a length of nothing is allowed.
  (func (export "fill_nothing") (memory.fill (i32.const 65536) (i32.const 1) (i32.const 0)))
  (func (export "grown") (result i32)
    (drop (memory.grow (i32.const 1)))
    (i32.store (i32.const 131068) (i32.const 99))
    (i32.load (i32.const 131068)))

  ;; Tables and references.
  (func (export "call_null") (call_indirect (type $nullary) (i32.const 0)))
  (func (export "call_type") (call_indirect (type $nullary) (i32.const 1)))
  (func (export "call_past") (call_indirect (type $nullary) (i32.const 4)))
  (func (export "call_far") (call_indirect (type $nullary) (i32.const -1)))
  (func (export "call_good") (param i32) (result i32)
    (call_indirect (type $unary) (local.get 0) (i32.const 1)))
  (func (export "table_get_past") (drop (table.get $funcs (i32.const 4))))
  (func (export "table_set_past") (table.set $externs (i32.const 2) (ref.null extern)))
  (func (export "table_fill_past")
    (table.fill $funcs (i32.const 3) (ref.null func) (i32.const 2)))
  (func (export "table_copy_past")
    (table.copy $funcs $funcs (i32.const 3) (i32.const 0) (i32.const 2)))
  (func (export "table_init_past")
    (table.init $funcs $passive (i32.const 0) (i32.const 1) (i32.const 2)))
  (func (export "call_after_init") (result i32)
    (table.init $funcs $passive (i32.const 3) (i32.const 0) (i32.const 1))
    (call_indirect (type $unary) (i32.const 21) (i32.const 3)))

  ;; The stack.
  (func $forever (export "forever") (result i32)
    (i32.add (call $forever) (i32.const 1)))

  ;; A trap below other functions.
  (func $inner (param i32) (result i32) (i32.div_u (i32.const 10) (local.get 0)))
  (func $middle (param i32) (result i32)
    (i32.add (call $inner (local.get 0)) (call $inner (i32.sub (local.get 0) (i32.const 1)))))
  (func (export "nested") (param i32) (result i32) (i32.add (call $middle (local.get 0)) (i32.const 1)))
)
