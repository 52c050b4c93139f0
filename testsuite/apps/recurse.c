// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls itself ARGV[1] deep (without an argument: 4 billion deep, which no stack holds) and
// prints a checksum of the way back. The recursion needs no memory of the C stack, so it is the
// machine's stack that ends.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static uint32_t descend(uint32_t depth)
{
    if (depth == 0)
        return 1;
    uint32_t below = descend(depth - 1);
    return ((below << 5) | (below >> 27)) ^ depth;
}

int main(int argc, char **argv)
{
    uint32_t depth = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : UINT32_MAX;
    printf("descending\n");
    fflush(stdout);
    printf("%u\n", (unsigned)descend(depth));
    return 0;
}
