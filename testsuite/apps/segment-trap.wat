;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; An active data segment that does not fit its memory: instantiation traps.
(module $segment_trap
  (memory (export "memory") 1)
  (data (i32.const 65534) "abc")
  (func (export "_start")))
