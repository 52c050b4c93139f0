// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts the lines, words and bytes of its standard input, and prints the last line in capitals.

#include <ctype.h>
#include <stdio.h>

int main(void)
{
    unsigned long lines = 0, words = 0, bytes = 0;
    char last[256] = "";
    size_t used = 0;
    int between = 1;
    for (int c; (c = getchar()) != EOF; bytes++) {
        if (c == '\n') {
            lines++;
            last[used] = 0;
            used = 0;
        } else if (used < sizeof last - 1) {
            last[used++] = (char)toupper(c);
        }
        words += between && !isspace(c);
        between = isspace(c) != 0;
    }
    printf("%lu lines, %lu words, %lu bytes\n%s\n", lines, words, bytes, last);
    return 0;
}
