// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads (`bounds read ADDRESS`) or writes (`bounds write ADDRESS`) one 32-bit word at an address
// of the linear memory, `last` being the last word that exists.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static uint32_t peek(uintptr_t address)
{
    return *(volatile uint32_t *)address;
}

__attribute__((noinline)) static void poke(uintptr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bounds read|write last|ADDRESS\n");
        return 2;
    }
    uint32_t end = __builtin_wasm_memory_size(0) * 65536u;
    uintptr_t address =
        strcmp(argv[2], "last") == 0 ? end - 4 : (uintptr_t)strtoul(argv[2], NULL, 0);
    printf("memory ends at 0x%x\n", (unsigned)end);
    fflush(stdout);
    if (strcmp(argv[1], "write") == 0)
        poke(address, 0xc0ffee);
    printf("0x%x: 0x%x\n", (unsigned)address, (unsigned)peek(address));
    return 0;
}
