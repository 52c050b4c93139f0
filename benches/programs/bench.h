// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every benchmark program shares: its size from the command line, pseudo-random numbers that are the same everywhere.
#ifndef BENCH_H
#define BENCH_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The first argument as a number, or a size that takes some tenths of a second.
static inline unsigned size_of_run(int argc, char **argv, unsigned usual) {
    return argc > 1 ? (unsigned)strtoul(argv[1], 0, 10) : usual;
}

static uint64_t random_state = 0x9e3779b97f4a7c15u;

// xorshift64*.
static inline uint32_t random_u32(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32);
}

// In [0, 1).
static inline double random_unit(void) { return random_u32() * 0x1p-32; }
#endif
