// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fannkuch: the most flips over all permutations of n.
#include "bench.h"

int main(int argc, char **argv) {
    int n = (int)size_of_run(argc, argv, 10), r = n, flips_most = 0, checksum = 0, even = 1;
    int perm[16], first[16], count[16];
    for (int i = 0; i < n; i++)
        first[i] = i;
    for (;;) {
        for (; r != 1; r--)
            count[r - 1] = r;
        memcpy(perm, first, sizeof perm);
        int flips = 0;
        for (int k; (k = perm[0]) != 0; flips++)
            for (int i = 0, j = k; i < j; i++, j--) {
                int t = perm[i];
                perm[i] = perm[j];
                perm[j] = t;
            }
        if (flips > flips_most)
            flips_most = flips;
        checksum += even ? flips : -flips;
        for (;; r++) {
            if (r == n) {
                printf("%d %d\n", checksum, flips_most);
                return 0;
            }
            int head = first[0];
            for (int i = 0; i < r; i++)
                first[i] = first[i + 1];
            first[r] = head;
            if (--count[r] > 0)
                break;
        }
        even = !even;
    }
}
