;; Hostile: a job that calls itself until the stack is full.
(module
  (func $deeper (param $depth i64) (result i64)
    (i64.add
      (call $deeper (i64.add (local.get $depth) (i64.const 1)))
      (local.get $depth)))
  (func (export "tick") (drop (call $deeper (i64.const 0)))))
