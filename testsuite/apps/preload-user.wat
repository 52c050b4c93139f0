;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Uses all of `preload-counter.wat`, loaded as `lib`; has a memory of its own beside it.
(module $user
  (import "lib" "advance" (func $advance (param i32) (result i32)))
  (import "lib" "trap" (func $trap))
  (import "lib" "table" (table $table 2 funcref))
  (import "lib" "count" (global $count (mut i32)))
  (import "lib" "step" (global $step i32))
  (memory (export "memory") 1)
  (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (elem (table $table) (i32.const 1) func $twice)
  ;; The library's function and global, its table in both directions.
  (func (export "run") (param i32) (result i32 i32 i32 i32)
    (i32.store (i32.const 16) (i32.const 5))
    (call $advance (local.get 0))
    (call_indirect $table (param i32) (result i32) (global.get $step) (i32.const 0))
    (call_indirect $table (param i32) (result i32) (global.get $count) (i32.const 1))
    ;; Its memory is another one.
    (i32.load (i32.const 16)))
  (func (export "fall") (call $trap))
)
