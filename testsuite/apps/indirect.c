// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls through a function pointer: a good one (`add`, `sub`), a null one (`null`), one of another
// type (`type`), and one that points past the end of the table (`wild`).

#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*binary)(int, int);

static int add(int a, int b)
{
    return a + b;
}

static int sub(int a, int b)
{
    return a - b;
}

static double half(double a)
{
    return a / 2;
}

// Volatile, or the compiler would call the functions directly (or, where the type is wrong,
// nothing at all).
static volatile struct {
    const char *name;
    uintptr_t function;
} operations[] = {
    {"add", 0}, {"sub", 0}, {"type", 0}, {"null", 0}, {"wild", 100000},
};

__attribute__((noinline)) static int apply(uintptr_t function, int a, int b)
{
    return ((binary)function)(a, b);
}

int main(int argc, char **argv)
{
    operations[0].function = (uintptr_t)add;
    operations[1].function = (uintptr_t)sub;
    operations[2].function = (uintptr_t)half;
    for (int i = 1; i < argc; i++)
        for (unsigned j = 0; j < sizeof operations / sizeof *operations; j++)
            if (strcmp(argv[i], operations[j].name) == 0) {
                printf("%s(7, 5)\n", argv[i]);
                fflush(stdout);
                printf("  = %d\n", apply(operations[j].function, 7, 5));
            }
    return 0;
}
