;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;; Loops that may run as vectors: overlap, the ends of the memory and of 2^32, all numbers of rounds,
;; and what a trap in the middle leaves behind. Each function returns or leaves what a loop that
;; does one round after the other does.

(module
  (memory (export "memory") 1 2)

  ;; Words 0, 1, 2, ... from an address on, so many.
  (func $number (export "number") (param $at i32) (param $count i32)
    (local $i i32)
    (block $done
      (br_if $done (i32.eqz (local.get $count)))
      (loop $more
        (i32.store (local.get $at) (local.get $i))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br_if $more
          (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count))))))

  ;; to[i] = from[i] + by
  (func $shift (export "add to all") (param $to i32) (param $from i32) (param $count i32) (param $by i32)
    (block $done
      (br_if $done (i32.eqz (local.get $count)))
      (loop $more
        (i32.store (local.get $to) (i32.add (i32.load (local.get $from)) (local.get $by)))
        (local.set $to (i32.add (local.get $to) (i32.const 4)))
        (local.set $from (i32.add (local.get $from) (i32.const 4)))
        (br_if $more
          (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))

  ;; The same from the end.
  (func $backwards (export "backwards") (param $to i32) (param $from i32) (param $count i32) (param $by i32)
    (block $done
      (br_if $done (i32.eqz (local.get $count)))
      (loop $more
        (i32.store (local.get $to) (i32.add (i32.load (local.get $from)) (local.get $by)))
        (local.set $to (i32.sub (local.get $to) (i32.const 4)))
        (local.set $from (i32.sub (local.get $from) (i32.const 4)))
        (br_if $more
          (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))

  ;; Opposite directions.
  (func (export "reverse") (param $to i32) (param $from i32) (param $count i32)
    (block $done
      (br_if $done (i32.eqz (local.get $count)))
      (loop $more
        (i32.store (local.get $to) (i32.load (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 4)))
        (local.set $from (i32.sub (local.get $from) (i32.const 4)))
        (br_if $more
          (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))

  ;; a[i + 1] = a[i] + by, and a[i] = a[i + 1] + by: one stream with itself.
  (func (export "up") (param $at i32) (param $count i32) (param $by i32)
    (loop $more
      (i32.store offset=4 (local.get $at) (i32.add (i32.load (local.get $at)) (local.get $by)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
  (func (export "down") (param $at i32) (param $count i32) (param $by i32)
    (loop $more
      (i32.store (local.get $at) (i32.add (i32.load offset=4 (local.get $at)) (local.get $by)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; Unrolled by two, from i up to a bound that is compared as less.
  (func (export "unrolled") (param $to i32) (param $from i32) (param $i i32) (param $end i32)
    (loop $more
      (f64.store (i32.add (local.get $to) (i32.shl (local.get $i) (i32.const 3)))
        (f64.mul (f64.const 0.5)
          (f64.load (i32.add (local.get $from) (i32.shl (local.get $i) (i32.const 3))))))
      (f64.store offset=8 (i32.add (local.get $to) (i32.shl (local.get $i) (i32.const 3)))
        (f64.mul (f64.const 0.5)
          (f64.load offset=8 (i32.add (local.get $from) (i32.shl (local.get $i) (i32.const 3))))))
      (br_if $more
        (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 2))) (local.get $end)))))

  ;; A value of the round before: to[i] = from[i - 1] + from[i], and what is last is returned.
  (func (export "previous") (param $to i32) (param $from i32) (param $count i32) (param $last f64) (result f64)
    (local $now f64)
    (loop $more
      (local.set $now (f64.load (local.get $from)))
      (f64.store (local.get $to) (f64.add (local.get $last) (local.get $now)))
      (local.set $last (local.get $now))
      (local.set $to (i32.add (local.get $to) (i32.const 8)))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $last))

  ;; to[i] = min(a[i] + *to_all, b[i]), a select of a comparison; *to_all may be stored over.
  (func (export "least") (param $to i32) (param $a i32) (param $all i32) (param $count i32)
    (local $x i32) (local $y i32)
    (loop $more
      (local.set $x (i32.add (i32.load (local.get $a)) (i32.load (local.get $all))))
      (local.set $y (i32.load (local.get $to)))
      (i32.store (local.get $to)
        (select (local.get $x) (local.get $y) (i32.lt_s (local.get $x) (local.get $y))))
      (local.set $to (i32.add (local.get $to) (i32.const 4)))
      (local.set $a (i32.add (local.get $a) (i32.const 4)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; A number for what lies from an address on: each word times a power of 31.
  (func $hash (export "hash") (param $at i32) (param $count i32) (result i32)
    (local $sum i32)
    (block $done
      (br_if $done (i32.eqz (local.get $count)))
      (loop $more
        (local.set $sum
          (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (local.get $sum))

  ;; For all numbers of rounds up to 40 and distances of -9 to 9 words: `add to all` and
  ;; `backwards` do what their definitions say, as calls of one round each do it.
  (func $same (param $to i32) (param $from i32) (param $count i32) (param $back i32) (result i32)
    (local $fast i32) (local $i i32) (local $sign i32)
    (local.set $sign (select (i32.const -4) (i32.const 4) (local.get $back)))
    (call $number (i32.const 1000) (i32.const 200))
    (if (local.get $back)
      (then (call $backwards (local.get $to) (local.get $from) (local.get $count) (i32.const 1000)))
      (else (call $shift (local.get $to) (local.get $from) (local.get $count) (i32.const 1000))))
    (local.set $fast (call $hash (i32.const 1000) (i32.const 200)))
    (call $number (i32.const 1000) (i32.const 200))
    (block $done
      (loop $more
        (br_if $done (i32.eq (local.get $i) (local.get $count)))
        (call $shift (local.get $to) (local.get $from) (i32.const 1) (i32.const 1000))
        (local.set $to (i32.add (local.get $to) (local.get $sign)))
        (local.set $from (i32.add (local.get $from) (local.get $sign)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $more)))
    (i32.eq (local.get $fast) (call $hash (i32.const 1000) (i32.const 200))))
  (func (export "all overlaps") (result i32)
    (local $count i32) (local $distance i32)
    (local.set $distance (i32.const -36))
    (loop $distances
      (local.set $count (i32.const 0))
      (loop $counts
        (if (i32.eqz (call $same (i32.add (i32.const 1300) (local.get $distance)) (i32.const 1300)
              (local.get $count) (i32.const 0)))
          (then (return (i32.add (i32.mul (local.get $count) (i32.const 1000)) (local.get $distance)))))
        (if (i32.eqz (call $same (i32.add (i32.const 1500) (local.get $distance)) (i32.const 1500)
              (local.get $count) (i32.const 1)))
          (then (return (i32.add (i32.mul (local.get $count) (i32.const -1000)) (local.get $distance)))))
        (br_if $counts
          (i32.ne (local.tee $count (i32.add (local.get $count) (i32.const 1))) (i32.const 41))))
      ;; Distances that are no multiple of a word as well.
      (br_if $distances
        (i32.le_s (local.tee $distance (i32.add (local.get $distance) (i32.const 1))) (i32.const 36))))
    (i32.const 123456))
)

(assert_return (invoke "all overlaps") (i32.const 123456))

;; Up to the last byte.
(assert_return (invoke "number" (i32.const 0xff9c) (i32.const 25)))
(assert_return (invoke "hash" (i32.const 0xffe8) (i32.const 1)) (i32.const 19))
(assert_return (invoke "hash" (i32.const 0xfffc) (i32.const 1)) (i32.const 24))

;; One byte too far: all rounds before it have happened.
(assert_return (invoke "number" (i32.const 0xff00) (i32.const 64)))
(assert_trap (invoke "number" (i32.const 0xff9d) (i32.const 25)) "out of bounds memory access")
(assert_return (invoke "hash" (i32.const 0xff9d) (i32.const 1)) (i32.const 0))
(assert_return (invoke "hash" (i32.const 0xffa1) (i32.const 1)) (i32.const 1))
(assert_return (invoke "hash" (i32.const 0xfff9) (i32.const 1)) (i32.const 23))
(assert_trap (invoke "hash" (i32.const 0xfffd) (i32.const 1)) "out of bounds memory access")

;; A source that ends in the middle.
(assert_return (invoke "number" (i32.const 0xff00) (i32.const 64)))
(assert_return (invoke "number" (i32.const 0x1000) (i32.const 64)))
(assert_trap (invoke "add to all" (i32.const 0x1000) (i32.const 0xffc0) (i32.const 32) (i32.const 5))
  "out of bounds memory access")
(assert_return (invoke "hash" (i32.const 0x103c) (i32.const 1)) (i32.const 68))
(assert_return (invoke "hash" (i32.const 0x1040) (i32.const 1)) (i32.const 16))

;; Past 2^32, and below 0.
(assert_trap (invoke "number" (i32.const -64) (i32.const 32)) "out of bounds memory access")
(assert_trap (invoke "add to all" (i32.const -64) (i32.const 0x1000) (i32.const 32) (i32.const 0))
  "out of bounds memory access")
(assert_return (invoke "number" (i32.const 0) (i32.const 64)))
(assert_trap (invoke "backwards" (i32.const 0x2000) (i32.const 0x40) (i32.const 32) (i32.const 7))
  "out of bounds memory access")
;; 17 rounds, for words 16 to 0.
(assert_return (invoke "hash" (i32.const 0x1fc0) (i32.const 1)) (i32.const 7))
(assert_return (invoke "hash" (i32.const 0x1fc4) (i32.const 1)) (i32.const 8))
(assert_return (invoke "hash" (i32.const 0x2000) (i32.const 1)) (i32.const 23))
(assert_return (invoke "hash" (i32.const 0x1fbc) (i32.const 1)) (i32.const 0))

;; Opposite directions, in place up to the middle and beyond it.
(assert_return (invoke "number" (i32.const 0x1000) (i32.const 32)))
(assert_return (invoke "reverse" (i32.const 0x1800) (i32.const 0x107c) (i32.const 32)))
(assert_return (invoke "hash" (i32.const 0x1800) (i32.const 1)) (i32.const 31))
(assert_return (invoke "hash" (i32.const 0x1804) (i32.const 1)) (i32.const 30))
(assert_return (invoke "hash" (i32.const 0x187c) (i32.const 1)) (i32.const 0))
(assert_return (invoke "reverse" (i32.const 0x1000) (i32.const 0x107c) (i32.const 32)))
(assert_return (invoke "hash" (i32.const 0x103c) (i32.const 2)) (i32.const 512))
(assert_return (invoke "hash" (i32.const 0x107c) (i32.const 1)) (i32.const 31))

;; One stream with itself.
(assert_return (invoke "number" (i32.const 0x1000) (i32.const 64)))
(assert_return (invoke "up" (i32.const 0x1000) (i32.const 40) (i32.const 3)))
(assert_return (invoke "hash" (i32.const 0x10a0) (i32.const 1)) (i32.const 120))
(assert_return (invoke "hash" (i32.const 0x1004) (i32.const 1)) (i32.const 3))
(assert_return (invoke "hash" (i32.const 0x10a4) (i32.const 1)) (i32.const 41))
(assert_return (invoke "number" (i32.const 0x1000) (i32.const 64)))
(assert_return (invoke "down" (i32.const 0x1000) (i32.const 40) (i32.const 3)))
(assert_return (invoke "hash" (i32.const 0x1000) (i32.const 1)) (i32.const 4))
(assert_return (invoke "hash" (i32.const 0x109c) (i32.const 1)) (i32.const 43))
(assert_return (invoke "hash" (i32.const 0x10a0) (i32.const 1)) (i32.const 40))

;; The same word is read in each round, and stored over by one of them.
(assert_return (invoke "number" (i32.const 0x1000) (i32.const 64)))
(assert_return (invoke "number" (i32.const 0x2000) (i32.const 64)))
(assert_return (invoke "least" (i32.const 0x1000) (i32.const 0x2000) (i32.const 0x3000) (i32.const 64)))
(assert_return (invoke "hash" (i32.const 0x10fc) (i32.const 1)) (i32.const 63))
(assert_return (invoke "add to all" (i32.const 0x1000) (i32.const 0x2000) (i32.const 64) (i32.const -20)))
(assert_return (invoke "least" (i32.const 0x1000) (i32.const 0x2000) (i32.const 0x1040) (i32.const 64)))
(assert_return (invoke "hash" (i32.const 0x1000) (i32.const 1)) (i32.const -20))
(assert_return (invoke "hash" (i32.const 0x1040) (i32.const 1)) (i32.const -4))
(assert_return (invoke "hash" (i32.const 0x10fc) (i32.const 1)) (i32.const 43))

;; A value of the round before.
(assert_return (invoke "previous" (i32.const 0x6000) (i32.const 0x5000) (i32.const 1) (f64.const 1)) (f64.const 0))
(assert_return (invoke "previous" (i32.const 0x6000) (i32.const 0x5000) (i32.const 21) (f64.const 1)) (f64.const 0))
(assert_return (invoke "previous" (i32.const 0x5000) (i32.const 0x6000) (i32.const 21) (f64.const 5)) (f64.const 0))
(assert_return (invoke "previous" (i32.const 0x6000) (i32.const 0x5000) (i32.const 2) (f64.const 2)) (f64.const 1))
(assert_return (invoke "previous" (i32.const 0x5008) (i32.const 0x5000) (i32.const 40) (f64.const 2)) (f64.const 740496902))

;; Unrolled; the bound may be anything.
(assert_return (invoke "unrolled" (i32.const 0x4000) (i32.const 0x1000) (i32.const 0) (i32.const 33)))
(assert_return (invoke "unrolled" (i32.const 0x4000) (i32.const 0x1000) (i32.const 4) (i32.const -1)))
(assert_trap (invoke "unrolled" (i32.const 0x4000) (i32.const 0x1000) (i32.const 0) (i32.const 0x7fffffff))
  "out of bounds memory access")
