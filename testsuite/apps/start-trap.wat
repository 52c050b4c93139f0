;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; The start function traps: the module never gets as far as `_start`.
(module $start_trap
  (memory (export "memory") 1)
  (func $initialise (unreachable))
  (start $initialise)
  (func (export "_start")))
