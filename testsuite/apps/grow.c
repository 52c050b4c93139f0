// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linked with a declared maximum of 8 MiB (128 pages): grows to it, is told no beyond it, and
// finds every new page zero and writable.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 65536u

static size_t pages(void)
{
    return __builtin_wasm_memory_size(0);
}

static long grow(size_t delta)
{
    return (long)__builtin_wasm_memory_grow(0, delta);
}

// Whether every byte from page `first` on is zero; then fills them.
static int fresh(size_t first, size_t end)
{
    for (size_t at = first * PAGE; at < end * PAGE; at += 8)
        if (*(volatile uint64_t *)at != 0)
            return 0;
    for (size_t at = first * PAGE; at < end * PAGE; at += 8)
        *(volatile uint64_t *)at = 0x0101010101010101u * (at / PAGE);
    return 1;
}

int main(void)
{
    size_t start = pages();
    printf("start: %zu pages\n", start);
    printf("grow by 0: %ld\n", grow(0));
    printf("grow by 65536: %ld\n", grow(65536));
    printf("grow by 1: %ld\n", grow(1));
    printf("zero and writable: %d\n", fresh(start, pages()));
    for (size_t delta = 16; delta > 0;) {
        size_t before = pages();
        long old = grow(delta);
        if (old == -1) {
            printf("grow by %zu from %zu: no\n", delta, before);
            delta /= 2;
        } else {
            printf("grow by %zu from %ld: yes, zero and writable: %d\n", delta, old,
                   fresh(before, pages()));
        }
    }
    printf("end: %zu pages\n", pages());

    uint64_t wrong = 0;
    for (size_t page = start; page < pages(); page++)
        wrong += *(volatile uint64_t *)(page * PAGE + PAGE - 8) != 0x0101010101010101u * page;
    printf("pages that changed meanwhile: %llu\n", (unsigned long long)wrong);
    printf("malloc of a page: %s\n", malloc(PAGE) ? "yes" : "no");
    return 0;
}
