;; Programs that ask too much of a file system; each function is one, and gives a number that says
;; how it went. 64 KiB of the letter a begin at 0x10000.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open
    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_allocate" (func $fd_allocate (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $resolution (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "file-name")
  ;; A vector of one buffer with the letters.
  (data (i32.const 16) "\00\00\01\00\00\00\01\00")
  (data (i32.const 32) "..")
  (data (i32.const 40) "up")
  (data (i32.const 48) "up/up")
  (start $start)
  (func $start (memory.fill (i32.const 0x10000) (i32.const 0x61) (i32.const 0x10000)))

  ;; Opens what has the name of so many letters from an address on, and makes it; a descriptor, or
  ;; an error number, negative.
  (func $open (param $path i32) (param $length i32) (result i32) (local $errno i32)
    (local.set $errno (call $path_open (i32.const 3) (i32.const 1) (local.get $path)
      (local.get $length) (i32.const 1) (i64.const 0x600166) (i64.const 0) (i32.const 0)
      (i32.const 8)))
    (if (result i32) (local.get $errno)
      (then (i32.sub (i32.const 0) (local.get $errno)))
      (else (i32.load (i32.const 8)))))

  ;; Writes a name of eight digits and 200 letters at 0x20000.
  (func $name (param $number i32) (local $at i32)
    (memory.fill (i32.const 0x20000) (i32.const 0x62) (i32.const 208))
    (local.set $at (i32.const 0x20007))
    (loop $digits
      (i32.store8 (local.get $at) (i32.add (i32.const 0x30)
        (i32.rem_u (local.get $number) (i32.const 10))))
      (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (br_if $digits (i32.ge_u (local.get $at) (i32.const 0x20000)))))

  ;; Fills a file until that fails, and goes on when it is empty again: the error's number.
  (func (export "full") (result i32) (local $fd i32) (local $errno i32) (local $count i32)
    (local.set $fd (call $open (i32.const 0) (i32.const 4)))
    (loop $more
      (local.set $errno (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 8)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $more (i32.eqz (local.get $errno))))
    (if (i32.lt_u (local.get $count) (i32.const 16)) (then unreachable))
    (if (call $set_size (local.get $fd) (i64.const 0)) (then unreachable))
    (if (call $fd_pwrite (local.get $fd) (i32.const 16) (i32.const 1) (i64.const 0) (i32.const 8))
      (then unreachable))
    (local.get $errno))

  ;; Opens a file 100,000 times, closes what it was given, and again: how often that went well.
  (func (export "handles") (result i32) (local $fd i32) (local $count i32) (local $good i32)
    (local $rounds i32)
    (loop $round
      (local.set $count (i32.const 0))
      (local.set $good (i32.const 0))
      (loop $more
        (local.set $fd (call $open (i32.const 0) (i32.const 4)))
        (if (i32.gt_s (local.get $fd) (i32.const 0))
          (then (local.set $good (i32.add (local.get $good) (i32.const 1)))))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $count) (i32.const 100000))))
      ;; The last one failed, and the error says so.
      (if (i32.ne (local.get $fd) (i32.const -33)) (then unreachable))
      (local.set $fd (i32.const 4))
      (loop $close
        (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
        (br_if $close (i32.eqz (call $fd_close (i32.sub (local.get $fd) (i32.const 1))))))
      (local.set $rounds (i32.add (local.get $rounds) (i32.const 1)))
      (br_if $round (i32.lt_u (local.get $rounds) (i32.const 2))))
    (local.get $good))

  ;; Makes 100,000 files with long names, or as many as it can: an error's number, or 0.
  (func (export "entries") (result i32) (local $fd i32) (local $count i32)
    (loop $more
      (call $name (local.get $count))
      (local.set $fd (call $open (i32.const 0x20000) (i32.const 208)))
      (if (i32.lt_s (local.get $fd) (i32.const 0))
        (then (return (i32.sub (i32.const 0) (local.get $fd)))))
      (drop (call $fd_close (local.get $fd)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $count) (i32.const 100000))))
    (i32.const 0))

  ;; Names and ranges that cannot be: the errors, two digits each.
  (func (export "names") (result i64) 
    (i64.const 0)
    (call $add (i32.sub (i32.const 0) (call $open (i32.const 0x10000) (i32.const 0x10000))))
    (call $add (i32.sub (i32.const 0) (call $open (i32.const 0x10000) (i32.const 256))))
    (call $add (i32.sub (i32.const 0) (call $open (i32.const 0x10000) (i32.const -1))))
    (call $add (i32.sub (i32.const 0) (call $open (i32.const 0x3fffe) (i32.const 8))))
    (call $add (i32.sub (i32.const 0) (call $open (i32.const 32) (i32.const 2))))
    (call $add (call $symlink (i32.const 32) (i32.const 2) (i32.const 3) (i32.const 40) (i32.const 2)))
    (call $add (i32.sub (i32.const 0) (call $open (i32.const 48) (i32.const 5))))
    (call $add (call $fd_readdir (i32.const 3) (i32.const 0) (i32.const -1) (i64.const 0) (i32.const 8))))
  (func $add (param i64 i32) (result i64)
    (i64.add (i64.mul (local.get 0) (i64.const 100)) (i64.extend_i32_u (local.get 1))))

  ;; Sizes that cannot be, and one that can, since it is a hole: the errors, two digits each.
  (func (export "sizes") (result i64) (local $fd i32)
    (local.set $fd (call $open (i32.const 0) (i32.const 4)))
    (i64.const 0)
    (call $add (call $set_size (local.get $fd) (i64.const -1)))
    (call $add (call $set_size (local.get $fd) (i64.const 0x4000000000000000)))
    (call $add (call $fd_allocate (local.get $fd) (i64.const 0) (i64.const 0x7fffffffffffffff)))
    (call $add (call $fd_allocate (local.get $fd) (i64.const 0) (i64.const 0x10000000000)))
    (call $add (call $fd_pwrite (local.get $fd) (i32.const 16) (i32.const -1) (i64.const 0) (i32.const 8)))
    (call $add (call $fd_pwrite (local.get $fd) (i32.const 16) (i32.const 1) (i64.const -1) (i32.const 8)))
    (call $add (call $set_size (local.get $fd) (i64.const 0x80000000000)))
    (call $add (call $fd_pwrite (local.get $fd) (i32.const 16) (i32.const 1) (i64.const 0x70000000000) (i32.const 8))))

  ;; Directories in directories, until that fails: the error's number.
  (func (export "deep") (result i32) (local $fd i32) (local $errno i32) (local $count i32)
    (local.set $fd (i32.const 3))
    (loop $more
      (call $name (i32.const 0))
      (local.set $errno (call $mkdir (local.get $fd) (i32.const 0x20000) (i32.const 208)))
      (if (local.get $errno) (then (return (local.get $errno))))
      (local.set $errno (call $path_open (local.get $fd) (i32.const 0) (i32.const 0x20000)
        (i32.const 208) (i32.const 2) (i64.const 0x2200) (i64.const 0x2200) (i32.const 0) (i32.const 8)))
      (if (local.get $errno) (then (return (local.get $errno))))
      (if (i32.ne (local.get $fd) (i32.const 3)) (then (drop (call $fd_close (local.get $fd)))))
      (local.set $fd (i32.load (i32.const 8)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $count) (i32.const 2000))))
    (i32.const 0))

  ;; Sleeps for 200 ms: how many hundreds of milliseconds that took at least, and 10 if a tenth of
  ;; that was spent working.
  (func (export "sleep") (result i32) (local $begin i64) (local $cpu i64)
    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 128)))
    (drop (call $clock (i32.const 3) (i64.const 0) (i32.const 136)))
    (memory.fill (i32.const 256) (i32.const 0) (i32.const 48))
    (i32.store (i32.const 272) (i32.const 1))
    (i64.store (i32.const 280) (i64.const 200000000))
    (if (call $poll (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 8)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 1)) (then unreachable))
    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 144)))
    (drop (call $clock (i32.const 3) (i64.const 0) (i32.const 152)))
    (if (i64.lt_u (i64.sub (i64.load (i32.const 144)) (i64.load (i32.const 128))) (i64.const 200000000))
      (then (return (i32.const 1))))
    (if (i64.gt_u (i64.mul (i64.const 10) (i64.sub (i64.load (i32.const 152)) (i64.load (i32.const 136))))
        (i64.sub (i64.load (i32.const 144)) (i64.load (i32.const 128))))
      (then (return (i32.const 12))))
    (i32.const 2))

  ;; Waits for standard input, 50 ms at a time, and reads it: how many bytes there are, and 1000 more
  ;; if it had to wait again.
  (func (export "late") (result i32) (local $again i32)
    (memory.fill (i32.const 256) (i32.const 0) (i32.const 96))
    (i32.store (i32.const 272) (i32.const 1))
    (i64.store (i32.const 280) (i64.const 50000000))
    ;; User data 7: descriptor 0 to be read.
    (i64.store (i32.const 304) (i64.const 7))
    (i32.store8 (i32.const 312) (i32.const 1))
    (loop $wait
      (if (call $poll (i32.const 256) (i32.const 512) (i32.const 2) (i32.const 8)) (then unreachable))
      ;; One event or two; that of the clock comes first.
      (if (i32.and (i32.eq (i32.load (i32.const 8)) (i32.const 1))
                   (i64.eqz (i64.load (i32.const 512))))
        (then (local.set $again (i32.const 1000)) (br $wait))))
    (i32.store (i32.const 24) (i32.const 0x20000))
    (i32.store (i32.const 28) (i32.const 100))
    (if (call $fd_read (i32.const 0) (i32.const 24) (i32.const 1) (i32.const 8)) (then unreachable))
    (i32.add (local.get $again) (i32.load (i32.const 8))))

  ;; Clocks, and a clock that there is not: the errors.
  (func (export "clocks") (result i64)
    (i64.const 0)
    (call $add (call $clock (i32.const 0) (i64.const 0) (i32.const 128)))
    (call $add (call $resolution (i32.const 0) (i32.const 128)))
    (if (i64.eqz (i64.load (i32.const 128))) (then unreachable))
    (call $add (call $resolution (i32.const 3) (i32.const 128)))
    (call $add (call $clock (i32.const 4) (i64.const 0) (i32.const 128))))

  ;; Leaves a file behind and falls.
  (func (export "fall") (local $fd i32)
    (local.set $fd (call $open (i32.const 0) (i32.const 9)))
    (drop (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 8)))
    unreachable)

  ;; Moves what it was given, and passes standard input on.
  (func (export "pass") (result i32)
    (i32.store (i32.const 24) (i32.const 0x20000))
    (i32.store (i32.const 28) (i32.const 100))
    (if (call $rename (i32.const 3) (i32.const 0) (i32.const 4) (i32.const 3) (i32.const 40) (i32.const 2))
      (then unreachable))
    (loop $more
      (i32.store (i32.const 28) (i32.const 100))
      (if (call $fd_read (i32.const 0) (i32.const 24) (i32.const 1) (i32.const 8)) (then unreachable))
      (i32.store (i32.const 28) (i32.load (i32.const 8)))
      (drop (call $fd_write (i32.const 1) (i32.const 24) (i32.const 1) (i32.const 12)))
      (br_if $more (i32.load (i32.const 8))))
    (i32.const 0)))
