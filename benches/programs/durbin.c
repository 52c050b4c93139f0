// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Levinson and Durbin's recursion for Toeplitz systems: short dependent loops.
#include "bench.h"
#define N 4000
static double r[N], y[N], z[N];

int main(int argc, char **argv) {
    unsigned rounds = size_of_run(argc, argv, 40);
    double sum = 0;
    for (unsigned t = 0; t < rounds; t++) {
        for (int i = 0; i < N; i++)
            r[i] = (N + 1 - i) / (2.0 * N) * (1 - t * 0.01);
        y[0] = -r[0];
        double beta = 1, alpha = -r[0];
        for (int k = 1; k < N; k++) {
            beta *= 1 - alpha * alpha;
            double s = 0;
            for (int i = 0; i < k; i++)
                s += r[k - i - 1] * y[i];
            alpha = -(r[k] + s) / beta;
            for (int i = 0; i < k; i++)
                z[i] = y[i] + alpha * y[k - i - 1];
            memcpy(y, z, k * sizeof *y);
            y[k] = alpha;
        }
        for (int i = 0; i < N; i++)
            sum += y[i] * y[i];
    }
    printf("%.9f\n", sum);
}
