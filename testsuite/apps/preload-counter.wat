;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; A library for `--preload`: everything that a module can export.
(module $counter
  (memory (export "memory") 1 3)
  (table (export "table") 2 4 funcref)
  (global $count (export "count") (mut i32) (i32.const 100))
  (global (export "step") i32 (i32.const 7))
  (func $advance (export "advance") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (i32.store (i32.const 16) (global.get $count))
    (global.get $count))
  (func (export "trap") unreachable)
  (elem (i32.const 0) $advance)
)
