;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Bulk memory and tables, reference types and several results, as a command: prints one line a
;; check, the decimal numbers that it saw.
(module $bulk
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (type $answer (func (result i32)))
  (table $calls 3 10 funcref)
  (table $others 1 funcref)
  (elem $passive func $one $two $three)
  (elem declare func $four)
  (global $count (mut i64) (i64.const -5))
  (global $kept (mut funcref) (ref.null func))

  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 22))
  (func $three (result i32) (i32.const 333))
  (func $four (result i32) (i32.const 4444))

  (data (i32.const 512) "abcdefghijklmnop")
  (data $later "0123456789")

  ;; Prints a signed number and a line end, through the 24 bytes that end at 128.
  (func $print (param $n i64)
    (local $at i32) (local $rest i64)
    (i32.store8 (i32.const 127) (i32.const 10))
    (local.set $at (i32.const 127))
    (local.set $rest
      (select (i64.sub (i64.const 0) (local.get $n)) (local.get $n)
        (i64.lt_s (local.get $n) (i64.const 0))))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $rest) (i64.const 10)))))
      (local.set $rest (i64.div_u (local.get $rest) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $rest) (i64.const 0))))
    (if (i64.lt_s (local.get $n) (i64.const 0))
      (then
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.const 45))))
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (i32.sub (i32.const 128) (local.get $at)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func $print_call (param $index i32)
    (call $print (i64.extend_i32_u (call_indirect $calls (type $answer) (local.get $index)))))

  ;; A checksum of `length` bytes in which the order counts.
  (func $sum (param $at i32) (param $length i32) (result i64)
    (local $total i64)
    (block $done
      (loop $byte
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $total
          (i64.add (i64.mul (local.get $total) (i64.const 31))
            (i64.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $byte)))
    (local.get $total))

  (func $min_max (param i32 i32) (result i32 i32)
    (select (local.get 0) (local.get 1) (i32.lt_s (local.get 0) (local.get 1)))
    (select (local.get 1) (local.get 0) (i32.lt_s (local.get 0) (local.get 1))))

  (func (export "_start")
    (local $high i32)
    ;; Overlapping copies in both directions.
    (memory.copy (i32.const 515) (i32.const 512) (i32.const 8))
    (call $print (call $sum (i32.const 512) (i32.const 16)))
    (memory.copy (i32.const 512) (i32.const 516) (i32.const 10))
    (call $print (call $sum (i32.const 512) (i32.const 16)))
    ;; Fill to the last byte, from a passive segment in pieces.
    (memory.fill (i32.const 131000) (i32.const 0x1a5) (i32.const 72))
    (call $print (call $sum (i32.const 131000) (i32.const 72)))
    (memory.init $later (i32.const 131066) (i32.const 4) (i32.const 6))
    (call $print (call $sum (i32.const 131060) (i32.const 12)))
    (data.drop $later)
    (memory.init $later (i32.const 0) (i32.const 0) (i32.const 0))

    ;; Tables.
    (table.init $calls $passive (i32.const 0) (i32.const 0) (i32.const 3))
    (call $print_call (i32.const 0))
    (table.copy $calls $calls (i32.const 1) (i32.const 0) (i32.const 2))
    (call $print_call (i32.const 2))
    (call $print (i64.extend_i32_s
      (table.grow $calls (ref.func $four) (i32.const 2))))
    (call $print_call (i32.const 4))
    (call $print (i64.extend_i32_s
      (table.grow $calls (ref.null func) (i32.const 100))))
    (call $print (i64.extend_i32_u (table.size $calls)))
    (table.fill $calls (i32.const 1) (ref.func $three) (i32.const 2))
    (call $print_call (i32.const 1))
    (table.set $others (i32.const 0) (table.get $calls (i32.const 3)))
    (call $print (i64.extend_i32_u (call_indirect $others (type $answer) (i32.const 0))))
    (call $print (i64.extend_i32_u (ref.is_null (global.get $kept))))
    (global.set $kept (table.get $calls (i32.const 0)))
    (call $print (i64.extend_i32_u (ref.is_null (global.get $kept))))
    (elem.drop $passive)

    ;; Several results, globals, sign extension, the most negative number.
    (call $min_max (i32.const 7) (i32.const -7))
    (local.set $high)
    (call $print (i64.extend_i32_s))
    (call $print (i64.extend_i32_s (local.get $high)))
    (global.set $count (i64.mul (global.get $count) (i64.const 7)))
    (call $print (global.get $count))
    (call $print (i64.extend8_s (i64.const 0x1ff)))
    (call $print (i64.const 0x8000000000000001))
    (call $print (i64.trunc_sat_f64_s (f64.const inf)))))
