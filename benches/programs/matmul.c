// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The product of two square matrices of doubles, the textbook way.
#include "bench.h"

int main(int argc, char **argv) {
    unsigned n = size_of_run(argc, argv, 640);
    double *a = malloc(n * n * sizeof *a), *b = malloc(n * n * sizeof *b), *c = malloc(n * n * sizeof *c);
    for (unsigned i = 0; i < n * n; i++)
        a[i] = random_unit(), b[i] = random_unit();
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < n; j++) {
            double sum = 0;
            for (unsigned l = 0; l < n; l++)
                sum += a[i * n + l] * b[l * n + j];
            c[i * n + j] = sum;
        }
    double trace = 0;
    for (unsigned i = 0; i < n; i++)
        trace += c[i * n + i];
    printf("%.6f\n", trace);
}
