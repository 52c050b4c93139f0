;; Hostile: a job that traps.
(module
  (func (export "tick") (unreachable)))
