// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prints ARGV[1] / ARGV[2] and the remainder. A divisor of 0, or the quotient of INT_MIN and -1,
// stops the program; what was printed before must still appear.

#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static int divide(int a, int b)
{
    return a / b;
}

__attribute__((noinline)) static int checked_by_nobody(int a, int b)
{
    int quotient = divide(a, b);
    printf("%d / %d = %d, remainder %d\n", a, b, quotient, a - quotient * b);
    return quotient;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: divide A B\n");
        return 2;
    }
    printf("about to divide\n");
    fflush(stdout);
    checked_by_nobody(atoi(argv[1]), atoi(argv[2]));
    return 0;
}
