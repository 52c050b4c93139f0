// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prints ARGV[1] numbered lines, and one line longer than any buffer on the way.

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long lines = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    for (long i = 0; i < lines; i++)
        printf("%ld: the quick brown fox jumps over the lazy dog\n", i);
    for (int i = 0; i < 20000; i++)
        putchar('a' + i % 26);
    putchar('\n');
    return 0;
}
