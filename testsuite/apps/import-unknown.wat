;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Imports a function that nobody provides. It is called only where an argument was given.
(module $import_unknown
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "plant" "open_valve" (func $open_valve (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $operate (drop (call $open_valve (i32.const 3))))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1)) (then (call $operate)))))
