// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A five-point stencil over a square grid.
#include "bench.h"
#define N 500
static double a[N][N], b[N][N];

static void step(double (*to)[N], double (*from)[N]) {
    for (int i = 1; i < N - 1; i++)
        for (int j = 1; j < N - 1; j++)
            to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i + 1][j] + from[i - 1][j]);
}

int main(int argc, char **argv) {
    unsigned steps = size_of_run(argc, argv, 3000);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = b[i][j] = random_unit();
    for (unsigned t = 0; t < steps; t++) {
        step(b, a);
        step(a, b);
    }
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += a[i][i];
    printf("%.9f\n", sum);
}
