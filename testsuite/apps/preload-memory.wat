;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Works in the memory of `preload-counter.wat`, loaded as `lib`.
(module $borrower
  (import "lib" "memory" (memory 1))
  (import "lib" "advance" (func $advance (param i32) (result i32)))
  (func (export "run") (result i32 i32 i32 i32)
    (drop (call $advance (i32.const 1)))
    (i32.load (i32.const 16))
    (memory.grow (i32.const 2))
    (memory.grow (i32.const 1))
    (i32.load (i32.const 0x2fffc)))
  (func (export "beyond") (result i32) (i32.load (i32.const 0x10000)))
)
