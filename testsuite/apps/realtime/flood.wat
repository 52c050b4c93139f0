;; Hostile: a job that writes 4096 bytes to the console, again and again.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\10\00\00\00\10\00\00")
  (func (export "_initialize")
    (memory.fill (i32.const 4096) (i32.const 0x21) (i32.const 4095))
    (i32.store8 (i32.const 8191) (i32.const 10)))
  (func (export "tick")
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $again))))
