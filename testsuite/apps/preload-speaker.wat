;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Takes turns in writing with `preload-wasi.wat`, loaded as `lib`.
(module $program
  (import "lib" "say" (func $say))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\02\00\00\00")
  (data (i32.const 16) ", and no library.\0a")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $say)
    (i32.store8 (i32.const 4) (i32.const 18))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
)
