// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Shortest paths between all pairs (Floyd and Warshall).
#include "bench.h"
#define N 900
static int path[N][N];

int main(int argc, char **argv) {
    int n = (int)size_of_run(argc, argv, N);
    if (n > N)
        return 1;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            path[i][j] = random_u32() % 8 == 0 ? (int)(random_u32() % 1000) + 1 : 1000000;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                if (path[i][k] + path[k][j] < path[i][j])
                    path[i][j] = path[i][k] + path[k][j];
    unsigned sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            sum = sum * 31 + (unsigned)path[i][j];
    printf("%u\n", sum);
}
