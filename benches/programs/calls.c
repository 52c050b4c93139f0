// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Small functions that are not inlined, called directly.
#include "bench.h"

__attribute__((noinline)) static uint32_t add(uint32_t a, uint32_t b) { return a + b; }
__attribute__((noinline)) static uint32_t mix(uint32_t a, uint32_t b) { return (a ^ b) * 2654435761u; }
__attribute__((noinline)) static uint32_t both(uint32_t a, uint32_t b, uint32_t c) { return add(mix(a, b), c); }

int main(int argc, char **argv) {
    unsigned rounds = size_of_run(argc, argv, 150) * 1000000;
    uint32_t sum = 1;
    for (unsigned i = 0; i < rounds; i++)
        sum = both(sum, i, sum >> 7);
    printf("%u\n", sum);
}
