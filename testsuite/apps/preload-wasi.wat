;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; A library for `--preload` that writes by itself, out of its own memory, when it is initialised
;; and when it is called.
(module $speaker
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\0c\00\00\00")
  (data (i32.const 16) "library says")
  (func (export "_initialize") (call $say))
  (func $say (export "say") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
)
