// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A nine-point stencil in place: every point depends on its neighbours' new values.
#include "bench.h"
#define N 400
static double a[N][N];

int main(int argc, char **argv) {
    unsigned steps = size_of_run(argc, argv, 300);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = random_unit();
    for (unsigned t = 0; t < steps; t++)
        for (int i = 1; i < N - 1; i++)
            for (int j = 1; j < N - 1; j++)
                a[i][j] = (a[i - 1][j - 1] + a[i - 1][j] + a[i - 1][j + 1] + a[i][j - 1] + a[i][j] + a[i][j + 1] + a[i + 1][j - 1] +
                           a[i + 1][j] + a[i + 1][j + 1]) / 9.0;
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += a[i][N - 1 - i];
    printf("%.9f\n", sum);
}
