;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Several memories and tables, some indexed by 64 bits, as a command: they grow, copies go from one
;; to the other, and the last access, by a 64-bit index, is outside. Ends with the number of the
;; first check that fails.
(module $memories
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory $main (export "memory") 1)
  (memory $wide i64 1 100)
  (memory $other 2 4)
  (table $calls i64 2 10 funcref)
  (elem (table $calls) (i64.const 1) func $seven)
  (type $answer (func (result i32)))
  (data $text "abcdefgh")
  (data (memory $wide) (i64.const 0xfff8) "12345678")
  (data (memory $other) (i32.const 0x1fff8) "ABCDEFGH")

  (func $seven (result i32) (i32.const 7))

  (func $check (param $number i32) (param $good i32)
    (if (i32.eqz (local.get $good)) (then (call $exit (local.get $number)))))

  (func $load (param i64) (result i64) (i64.load $wide offset=8 (local.get 0)))

  (func (export "_start")
    ;; What the active segments have written.
    (call $check (i32.const 1)
      (i64.eq (call $load (i64.const 0xfff0)) (i64.const 0x3837363534333231)))
    (call $check (i32.const 2)
      (i64.eq (i64.load $other (i32.const 0x1fff8)) (i64.const 0x4847464544434241)))
    ;; Each grows by itself.
    (call $check (i32.const 3) (i64.eq (memory.grow $wide (i64.const 50)) (i64.const 1)))
    (call $check (i32.const 4) (i64.eq (memory.grow $wide (i64.const 50)) (i64.const -1)))
    (call $check (i32.const 5)
      (i64.eq (memory.grow $wide (i64.const 0x1_0000_0000_0000)) (i64.const -1)))
    (call $check (i32.const 6) (i32.eq (memory.grow $other (i32.const 2)) (i32.const 2)))
    (call $check (i32.const 7) (i32.eq (memory.size $main) (i32.const 1)))
    (call $check (i32.const 8) (i64.eq (memory.size $wide) (i64.const 51)))
    ;; From one to the other, across what has been added.
    (memory.copy $wide $other (i64.const 0x32fff8) (i32.const 0x1fff8) (i32.const 8))
    (memory.copy $main $wide (i32.const 0) (i64.const 0x32fffc) (i32.const 4))
    (memory.init $other $text (i32.const 0x3fff8) (i32.const 0) (i32.const 8))
    (memory.copy $main $other (i32.const 4) (i32.const 0x3fffc) (i32.const 4))
    (call $check (i32.const 9)
      (i64.eq (i64.load $main (i32.const 0)) (i64.const 0x6867666548474645)))
    (memory.fill $wide (i64.const 0x32fffc) (i32.const 1) (i64.const 4))
    (call $check (i32.const 10)
      (i32.eq (i32.load $wide (i64.const 0x32fffc)) (i32.const 0x01010101)))
    ;; A table indexed by 64 bits.
    (call $check (i32.const 11)
      (i32.eq (call_indirect $calls (type $answer) (i64.const 1)) (i32.const 7)))
    (call $check (i32.const 12)
      (i64.eq (table.grow $calls (ref.func $seven) (i64.const 8)) (i64.const 2)))
    (call $check (i32.const 13)
      (i32.eq (call_indirect $calls (type $answer) (i64.const 9)) (i32.const 7)))
    (call $check (i32.const 14)
      (i64.eq (table.grow $calls (ref.null func) (i64.const -1)) (i64.const -1)))
    ;; Index and offset wrap to 0, where there is memory.
    (drop (call $load (i64.const -8))))
)
