;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Objects by the hundred thousand, of which few are alive at a time; each line a number that is
;; wrong where the collector lost, moved or mixed up something.
(module $objects
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (type $bytes (array (mut i8)))
  (type $shape (sub (struct (field $area (mut i64)))))
  (type $square (sub $shape (struct (field $area (mut i64)) (field $side i32))))
  (type $named (sub final $square
    (struct (field $area (mut i64)) (field $side i32) (field $name (ref $bytes)))))
  (type $shapes (array (mut (ref null $shape))))
  (type $list (struct (field $head anyref) (field $tail (mut (ref null $list)))))
  (type $measure (func (param (ref $shape)) (result i64)))
  (table $measures 2 (ref null $measure))
  (elem (table $measures) (i32.const 0) (ref null $measure) (ref.func $area) (ref.func $length))
  (data $text "a square with a name")

  ;; A number in decimal and a line's end, at address 64 downwards.
  (func $print (param $value i64) (local $at i32)
    (local.set $at (i32.const 63))
    (i32.store8 (local.get $at) (i32.const 10))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $value) (i64.const 0))))
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (i32.sub (i32.const 64) (local.get $at)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func $area (type $measure) (struct.get $shape $area (local.get 0)))
  (func $length (type $measure)
    (block $plain (result (ref $shape))
      (return (i64.extend_i32_u (array.len (struct.get $named $name
        (br_on_cast_fail $plain (ref $shape) (ref $named) (local.get 0)))))))
    (drop)
    (i64.const 0))

  ;; One of three kinds of shape.
  (func $shape (param $i i32) (result (ref $shape))
    (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 3)))
      (then (return (struct.new $named
        (i64.extend_i32_u (local.get $i)) (local.get $i)
        (array.new_data $bytes $text (i32.const 2)
          (i32.rem_u (local.get $i) (i32.const 18)))))))
    (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 5)))
      (then (return (struct.new $square (i64.extend_i32_u (local.get $i)) (local.get $i)))))
    (struct.new $shape (i64.extend_i32_u (local.get $i))))

  ;; Fills an array over and over, then measures what is in it.
  (func $shapes (param $rounds i32) (param $measure i32) (result i64)
    (local $all (ref null $shapes)) (local $i i32) (local $sum i64)
    (local.set $all (array.new_default $shapes (i32.const 1000)))
    (loop $next
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (array.set $shapes (local.get $all)
        (i32.rem_u (local.get $rounds) (i32.const 1000)) (call $shape (local.get $rounds)))
      (br_if $next (local.get $rounds)))
    (loop $next
      (local.set $sum (i64.add (local.get $sum)
        (call_ref $measure
          (ref.as_non_null (array.get $shapes (local.get $all) (local.get $i)))
          (table.get $measures (local.get $measure)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000))))
    (local.get $sum))

  ;; A list of small integers, shapes and host-free externals, made and taken apart.
  (func $lists (param $length i32) (result i64)
    (local $list (ref null $list)) (local $sum i64)
    (loop $next
      (local.set $list (struct.new $list
        (if (result anyref) (i32.and (local.get $length) (i32.const 1))
          (then (ref.i31 (local.get $length)))
          (else (any.convert_extern (extern.convert_any (call $shape (local.get $length))))))
        (local.get $list)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br_if $next (local.get $length)))
    (loop $next
      (block $done
        (br_if $done (ref.is_null (local.get $list)))
        (local.set $sum (i64.add (local.get $sum)
          (if (result i64) (ref.test (ref i31) (struct.get $list $head (local.get $list)))
            (then (i64.extend_i32_u (i31.get_u
              (ref.cast (ref i31) (struct.get $list $head (local.get $list))))))
            (else (struct.get $shape $area
              (ref.cast (ref $shape) (struct.get $list $head (local.get $list))))))))
        (local.set $list (struct.get $list $tail (local.get $list)))
        (br $next)))
    (local.get $sum))

  (func (export "_start")
    (call $print (call $shapes (i32.const 1000) (i32.const 0)))
    (call $print (call $shapes (i32.const 200000) (i32.const 0)))
    (call $print (call $shapes (i32.const 200000) (i32.const 1)))
    (call $print (call $lists (i32.const 30000)))
    (call $print (call $lists (i32.const 30000)))))
