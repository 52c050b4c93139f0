;; A filter: each job takes 32 samples of a noisy constant and puts them through a finite impulse
;; response of 64 taps. The response to a constant is that constant, so what comes out has to be
;; near it; a sample that is not is a trap.
(module
  (memory (export "memory") 1)
  ;; The last 64 samples, a ring at 0; the taps at 256: a triangle, whose sum is $sum.
  (global $noise (mut i32) (i32.const 12345))
  (global $at (mut i32) (i32.const 0))
  (global $sum (mut i32) (i32.const 0))
  (global $samples (mut i32) (i32.const 0))

  (func $sample (result i32)
    ;; 10000 and a noise of -1000 to 1000.
    (global.set $noise
      (i32.add
        (i32.mul (global.get $noise) (i32.const 1103515245))
        (i32.const 12345)))
    (i32.add
      (i32.const 9000)
      (i32.rem_u (i32.shr_u (global.get $noise) (i32.const 8)) (i32.const 2001))))

  (func (export "_initialize")
    (local $tap i32)
    (local $height i32)
    (loop $next
      (local.set $height
        (select
          (i32.add (local.get $tap) (i32.const 1))
          (i32.sub (i32.const 64) (local.get $tap))
          (i32.lt_u (local.get $tap) (i32.const 32))))
      (i32.store offset=256 (i32.shl (local.get $tap) (i32.const 2)) (local.get $height))
      (global.set $sum (i32.add (global.get $sum) (local.get $height)))
      (local.set $tap (i32.add (local.get $tap) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $tap) (i32.const 64)))))

  (func $filtered (result i32)
    (local $tap i32)
    (local $total i32)
    (loop $next
      (local.set $total
        (i32.add
          (local.get $total)
          (i32.mul
            (i32.load offset=256 (i32.shl (local.get $tap) (i32.const 2)))
            (i32.load
              (i32.shl
                (i32.and (i32.add (global.get $at) (local.get $tap)) (i32.const 63))
                (i32.const 2))))))
      (local.set $tap (i32.add (local.get $tap) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $tap) (i32.const 64))))
    (i32.div_s (local.get $total) (global.get $sum)))

  (func $tick (export "tick")
    (local $count i32)
    (loop $next
      (i32.store (i32.shl (global.get $at) (i32.const 2)) (call $sample))
      (global.set $at (i32.and (i32.add (global.get $at) (i32.const 1)) (i32.const 63)))
      (global.set $samples (i32.add (global.get $samples) (i32.const 1)))
      (if (i32.and
            (i32.ge_u (global.get $samples) (i32.const 64))
            (i32.gt_u
              (i32.sub (call $filtered) (i32.const 9500))
              (i32.const 1000)))
        (then (unreachable)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $count) (i32.const 32)))))

  ;; So many jobs at once, where there is no clock: for tests.
  (func (export "ticks") (param $count i32)
    (loop $next
      (call $tick)
      (br_if $next
        (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))
