;; A logger: a server that sleeps 50 ms, writes a line with a number, and begins again.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; The piece to write: 16 bytes at 16.
  (data (i32.const 0) "\10\00\00\00\10\00\00\00")
  (data (i32.const 16) "log line 000000\n")
  ;; A subscription (48 bytes at 64) to the monotonic clock, 50,000,000 ns from now.
  (data (i32.const 80) "\01\00\00\00")
  (data (i32.const 88) "\80\f0\fa\02")

  ;; Adds one to the decimal digits that end before 31.
  (func $count
    (local $at i32)
    (local.set $at (i32.const 31))
    (loop $carry
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (if (i32.lt_u (local.get $at) (i32.const 25)) (then (return)))
      (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 0x39))
        (then
          (i32.store8
            (local.get $at)
            (i32.add (i32.load8_u (local.get $at)) (i32.const 1)))
          (return)))
      (i32.store8 (local.get $at) (i32.const 0x30))
      (br $carry)))

  (func (export "_start")
    (loop $again
      (if (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 160))
        (then (unreachable)))
      (call $count)
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
        (then (unreachable)))
      (br $again))))
