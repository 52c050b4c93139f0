;; A library: `_initialize` comes before whatever is called.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $base (mut i32) (i32.const 0))
  (func (export "_initialize")
    (if (call $args_sizes_get (i32.const 0) (i32.const 4)) (then (unreachable)))
    (global.set $base (i32.const 1000)))
  (func (export "add") (param i32) (result i32)
    (i32.add (global.get $base) (local.get 0))))
