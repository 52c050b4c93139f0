// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Nothing: what is measured is how it starts and ends.
int main(void) { return 0; }
