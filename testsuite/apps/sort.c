// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Allocates, copies, sorts and frees: malloc, memory growth, bulk memory and calls through a
// function pointer in the amounts of an ordinary program.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    uint32_t random = 12345;
    for (size_t count = 1; count <= 300000; count *= 10) {
        uint32_t *numbers = malloc(count * sizeof *numbers);
        uint32_t *copy = calloc(count, sizeof *copy);
        if (!numbers || !copy)
            return 1;
        for (size_t i = 0; i < count; i++) {
            random = random * 1664525 + 1013904223;
            numbers[i] = random;
        }
        memcpy(copy, numbers, count * sizeof *copy);
        qsort(copy, count, sizeof *copy, ascending);
        size_t disorder = 0;
        for (size_t i = 1; i < count; i++)
            disorder += copy[i - 1] > copy[i];
        printf("%zu numbers: lowest %u, median %u, highest %u, out of order %zu\n", count,
               (unsigned)copy[0], (unsigned)copy[count / 2], (unsigned)copy[count - 1], disorder);
        memmove(copy + 1, copy, (count - 1) * sizeof *copy);
        free(numbers);
        free(copy);
    }
    return 0;
}
