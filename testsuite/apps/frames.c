// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recursion in which every frame holds 512 values across the call (about 4 KiB of machine stack)
// and 16 KiB of C stack: `frames DEPTH` prints a checksum, `frames` alone never comes to an end.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static volatile uint64_t seed = 0x9e3779b97f4a7c15;

#define X1(m, n) m(n)
#define X4(m, n) X1(m, n##0) X1(m, n##1) X1(m, n##2) X1(m, n##3)
#define X16(m, n) X4(m, n##0) X4(m, n##1) X4(m, n##2) X4(m, n##3)
#define X64(m, n) X16(m, n##0) X16(m, n##1) X16(m, n##2) X16(m, n##3)
#define X128(m, n) X64(m, n##0) X64(m, n##1)
#define X512(m) X128(m, a) X128(m, b) X128(m, c) X128(m, d)

#define LOAD(name) uint64_t name = seed;
#define MIX(name) result = (result ^ name) * 0x100000001b3;

// Every local is a separate read of a volatile and is used after the call: all must be kept.
__attribute__((noinline)) static uint64_t deep(uint32_t depth)
{
    X512(LOAD)
    uint64_t result = depth == 0 ? 1 : deep(depth - 1);
    seed = result;
    X512(MIX)
    return result;
}

__attribute__((noinline)) static uint64_t wide(uint32_t depth)
{
    volatile uint8_t buffer[16384];
    for (unsigned i = 0; i < sizeof buffer; i += 64)
        buffer[i] = (uint8_t)(depth + i);
    uint64_t result = depth == 0 ? deep(16) : wide(depth - 1);
    for (unsigned i = 0; i < sizeof buffer; i += 64)
        result = result * 31 + buffer[i];
    return result;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        printf("%llx\n", (unsigned long long)wide((uint32_t)strtoul(argv[1], NULL, 10)));
    else
        printf("%llx\n", (unsigned long long)deep(UINT32_MAX));
    return 0;
}
