;; A control loop: a PI controller and the plant that it drives, one step a job. The plant is
;; y' = (u - y) / T with T = 50 steps; the wanted value goes from 0 to 1 and back every 500 steps.
;; A value that has not settled by then is a trap: a step was lost, or ran twice.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\18\00\00\00")
  (data (i32.const 16) "control: 1000 jobs done\n")
  (global $jobs (mut i32) (i32.const 0))
  (global $wanted (mut f64) (f64.const 0))
  (global $value (mut f64) (f64.const 0))
  (global $integral (mut f64) (f64.const 0))

  (func (export "_initialize")
    (global.set $wanted (f64.const 1)))

  (func $step
    (local $error f64)
    (local.set $error (f64.sub (global.get $wanted) (global.get $value)))
    (global.set $integral
      (f64.add (global.get $integral) (f64.mul (local.get $error) (f64.const 0.04))))
    (global.set $value
      (f64.add
        (global.get $value)
        (f64.mul
          (f64.sub
            (f64.add (f64.mul (local.get $error) (f64.const 2)) (global.get $integral))
            (global.get $value))
          (f64.const 0.02)))))

  (func $tick (export "tick")
    (call $step)
    (global.set $jobs (i32.add (global.get $jobs) (i32.const 1)))
    (if (i32.rem_u (global.get $jobs) (i32.const 500)) (then (return)))
    (if (f64.gt
          (f64.abs (f64.sub (global.get $wanted) (global.get $value)))
          (f64.const 0.01))
      (then (unreachable)))
    (global.set $wanted (f64.sub (f64.const 1) (global.get $wanted)))
    (if (i32.rem_u (global.get $jobs) (i32.const 1000)) (then (return)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  ;; So many jobs at once, where there is no clock: for tests.
  (func (export "ticks") (param $count i32)
    (loop $next
      (call $tick)
      (br_if $next
        (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))
