;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;; Threads that begin threads and wait for them.
(module $M
  (memory (export "m") 1 1 shared)
  (func (export "read") (param i32) (result i32) (i32.atomic.load (local.get 0))))
(register "outside" $M)

(thread $A (shared (module $M))
  (register "m" $M)
  (thread $B (shared (module $M))
    (register "m" $M)
    (module
      (import "m" "m" (memory 1 1 shared))
      (func (export "set") (i32.atomic.store (i32.const 0) (i32.const 7))
        (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))))
    (thread $C (shared (module $M))
      (register "m" $M)
      (module
        (import "m" "m" (memory 1 1 shared))
        (func (export "wait") (result i32)
          (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
          (i32.atomic.store (i32.const 4) (i32.const 8))
          (i32.atomic.load (i32.const 0))))
      (assert_return (invoke "wait") (i32.const 7)))
    (invoke "set")
    (wait $C))
  ;; What is outside is not to be seen, and nothing that an inner thread has made.
  (assert_unlinkable (module (import "outside" "read" (func (param i32) (result i32)))) "unknown import")
  (module
    (import "m" "m" (memory 1 1 shared))
    (func (export "both") (result i32)
      (i32.add (i32.atomic.load (i32.const 0)) (i32.atomic.load (i32.const 4)))))
  (wait $B)
  (assert_return (invoke "both") (i32.const 15)))

(wait $A)
(assert_return (invoke $M "read" (i32.const 0)) (i32.const 7))
(assert_return (invoke $M "read" (i32.const 4)) (i32.const 8))
