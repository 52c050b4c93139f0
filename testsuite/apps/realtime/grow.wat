;; Hostile: a job that takes all memory it can get, writes to it, and tries again.
(module
  (memory (export "memory") 1)
  (func (export "tick")
    (local $page i32)
    (loop $more
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then
          (i32.store (i32.shl (local.get $page) (i32.const 16)) (i32.const 1))
          (br $more))))))
