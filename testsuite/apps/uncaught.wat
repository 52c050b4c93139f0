;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; An exception that nobody catches: the clauses around are for other tags.
(module $uncaught
  (tag $expected (param i32))
  (tag $surprise (param i32 i64))
  (memory (export "memory") 1)
  (func $thrower (param i32)
    (throw $surprise (local.get 0) (i64.const 5)))
  (func $catcher (param i32)
    (block $caught (result i32)
      (try_table (catch $expected $caught)
        (call $thrower (local.get 0)))
      (return))
    (drop))
  (func (export "_start")
    (call $catcher (i32.const 3))))
