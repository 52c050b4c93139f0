// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The Cholesky factor of a symmetric positive definite matrix.
#include "bench.h"
#include <math.h>
#define N 1200
static double a[N][N];

int main(int argc, char **argv) {
    int n = (int)size_of_run(argc, argv, N);
    if (n > N)
        return 1;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++)
            a[i][j] = random_unit();
        a[i][i] += n;
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
            for (int k = 0; k < j; k++)
                a[i][j] -= a[i][k] * a[j][k];
            a[i][j] /= a[j][j];
        }
        for (int k = 0; k < i; k++)
            a[i][i] -= a[i][k] * a[i][k];
        a[i][i] = sqrt(a[i][i]);
    }
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i][i] + a[i][0];
    printf("%.6f\n", sum);
}
