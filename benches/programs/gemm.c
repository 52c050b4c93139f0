// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// C = alpha A B + beta C the loop order that streams through memory.
#include "bench.h"
#define N 400
static double a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv) {
    unsigned rounds = size_of_run(argc, argv, 60);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = random_unit(), b[i][j] = random_unit();
    for (unsigned r = 0; r < rounds; r++)
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++)
                c[i][j] *= 0.5;
            for (int k = 0; k < N; k++)
                for (int j = 0; j < N; j++)
                    c[i][j] += 0.25 * a[i][k] * b[k][j];
        }
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += c[i][i];
    printf("%.3f\n", sum);
}
