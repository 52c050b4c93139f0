// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Quicksort by hand, then the library's qsort with a comparison function.
#include "bench.h"

static void quick(uint32_t *v, int low, int high) {
    while (low < high) {
        uint32_t pivot = v[(low + high) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i <= j) {
                uint32_t t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (j - low < high - i) {
            quick(v, low, j);
            low = i;
        } else {
            quick(v, i, high);
            high = j;
        }
    }
}

// Heapsort with a comparison through a pointer, as qsort does it (the libraries' own differ).
typedef int compare(const void *, const void *);
static int by_low_half(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a & 0xffff, y = *(const uint32_t *)b & 0xffff;
    return (x > y) - (x < y);
}
static void heap(uint32_t *v, unsigned n, compare *less) {
    for (unsigned end = n, start = n / 2; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            end--;
            uint32_t t = v[end];
            v[end] = v[0];
            v[0] = t;
        }
        unsigned root = start;
        for (unsigned child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && less(&v[child], &v[child + 1]) < 0)
                child++;
            if (less(&v[root], &v[child]) >= 0)
                break;
            uint32_t t = v[root];
            v[root] = v[child];
            v[child] = t;
        }
    }
}

int main(int argc, char **argv) {
    unsigned n = size_of_run(argc, argv, 1500000);
    uint32_t *v = malloc(n * sizeof *v);
    for (unsigned i = 0; i < n; i++)
        v[i] = random_u32();
    quick(v, 0, (int)n - 1);
    uint32_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum = sum * 31 + v[i];
    compare *volatile less = by_low_half;
    heap(v, n, less);
    for (unsigned i = 0; i < n; i++)
        sum = sum * 31 + (v[i] & 0xffff);
    printf("%u\n", sum);
}
