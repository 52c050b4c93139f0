// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Eratosthenes, one byte a number.
#include "bench.h"

int main(int argc, char **argv) {
    unsigned n = size_of_run(argc, argv, 5000000);
    uint8_t *composite = malloc(n + 1);
    unsigned count = 0;
    for (int round = 0; round < 24; round++) {
        memset(composite, 0, n + 1);
        count = 0;
        for (unsigned i = 2; i <= n; i++) {
            if (composite[i])
                continue;
            count++;
            for (uint64_t j = (uint64_t)i * i; j <= n; j += i)
                composite[j] = 1;
        }
    }
    printf("%u\n", count);
}
