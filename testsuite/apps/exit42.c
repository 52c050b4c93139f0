// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Returns 42 from main, or calls exit() with the status ARGV[1] from within a function.

#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static void leave(int status)
{
    printf("leaving with %d\n", status);
    exit(status);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        leave(atoi(argv[1]));
    return 42;
}
