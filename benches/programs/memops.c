// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// memcpy, memmove and memset of many sizes, small ones most often.
#include "bench.h"

int main(int argc, char **argv) {
    unsigned rounds = size_of_run(argc, argv, 60) * 1000000;
    static uint8_t buffer[1 << 18];
    static uint16_t sizes[1024];
    for (unsigned i = 0; i < 1024; i++)
        sizes[i] = i % 64 == 0 ? random_u32() % 16384 : i % 8 == 0 ? random_u32() % 512 : random_u32() % 48;
    for (unsigned i = 0; i < sizeof buffer; i++)
        buffer[i] = (uint8_t)random_u32();
    uint32_t sum = 0;
    for (unsigned i = 0; i < rounds; i++) {
        unsigned size = sizes[i & 1023], from = (i * 97) & 0x1ffff, to = (i * 193 + 7) & 0x1ffff;
        switch (i % 3) {
        case 0: memcpy(buffer + 0x20000 + (to >> 1), buffer + (from >> 1), size); break;
        case 1: memmove(buffer + to, buffer + to + 9, size); break;
        default: memset(buffer + to, (int)i, size); break;
        }
        sum += buffer[to];
    }
    printf("%u\n", sum);
}
