// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One line: what is measured is how it starts and ends.
#include <stdio.h>

int main(void) { return puts("Hello, world!") == EOF; }
