;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;; Uses everything that library.wat exports: prints out of its memory, and ends in its trap.
(module
  (import "library" "memory" (memory 1))
  (import "library" "table" (table 1 funcref))
  (import "library" "calls" (global $calls (mut i32)))
  (import "library" "add" (func $add (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (type $nothing (func))
  (export "memory" (memory 0))
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 100))
    (i32.store (i32.const 4) (call $add (i32.const 10) (i32.const 7)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.ne (global.get $calls) (i32.const 6)) (then (return)))
    (call_indirect (type $nothing) (i32.const 0))))
