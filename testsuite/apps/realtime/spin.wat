;; Hostile: a job that never ends.
(module
  (func (export "tick") (loop $for_ever (br $for_ever))))
