// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prints the arguments after the program's name, and the environment.

#include <stdio.h>

extern char **environ;

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("argument %d: [%s]\n", i, argv[i]);
    for (char **variable = environ; variable && *variable; variable++)
        printf("environment: [%s]\n", *variable);
    return 0;
}
