// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recursive calls and nothing else.
#include "bench.h"

static unsigned fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(int argc, char **argv) {
    printf("%u\n", fib(size_of_run(argc, argv, 41)));
}
