// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks an assumption that does not hold, three calls below main.

#include <stdio.h>

__attribute__((noinline)) static void must_be_even(int n)
{
    if (n % 2)
        __builtin_trap();
    printf("%d is even\n", n);
    fflush(stdout);
}

__attribute__((noinline)) static void check_all(const int *numbers, int count)
{
    for (int i = 0; i < count; i++)
        must_be_even(numbers[i]);
    printf("all are even\n");
}

int main(int argc, char **argv)
{
    (void)argv;
    const int numbers[] = {2, 4, 4 + argc, 8};
    check_all(numbers, 4);
    return 0;
}
