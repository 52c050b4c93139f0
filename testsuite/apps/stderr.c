// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes to both standard streams, bytes that are no text among them, and fails.

#include <stdio.h>
#include <unistd.h>

int main(void)
{
    const char bytes[] = {'b', 'y', 't', 'e', 's', ' ', 0, 1, 0x7f, (char)0x80, (char)0xff, '\n'};
    printf("to the output\n");
    fflush(stdout);
    fprintf(stderr, "to the error output\n");
    write(STDOUT_FILENO, bytes, sizeof bytes);
    write(STDERR_FILENO, bytes, sizeof bytes);
    printf("no line end");
    return 3;
}
