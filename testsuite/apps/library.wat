;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;; A module that others import from: a function, a memory, a table, a global.
(module
  (memory (export "memory") 1)
  (table (export "table") 2 10 funcref)
  (global $calls (export "calls") (mut i32) (i32.const 5))
  (elem (i32.const 0) $fail)
  (func $fail (unreachable))
  (func (export "add") (param i32 i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.add (local.get 0) (local.get 1)))
  (data (i32.const 100) "from the library\n"))
