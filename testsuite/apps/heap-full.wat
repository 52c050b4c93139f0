;; SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
;;
;; Keeps everything that it makes.
(module $heap_full
  (type $node (struct (field (ref null $node)) (field i64)))
  (memory (export "memory") 1)
  (func (export "_start") (local $head (ref null $node))
    (loop $again
      (local.set $head (struct.new $node (local.get $head) (i64.const 1)))
      (br $again))))
