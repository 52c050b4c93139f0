// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// bzip2 (the sources that the crate `bzip2-sys` carries): compresses text-like data and back.
#include "bench.h"
#include "bzlib.h"

int main(int argc, char **argv) {
    unsigned size = size_of_run(argc, argv, 2500) * 1024;
    char *plain = malloc(size), *packed = malloc(size + size / 100 + 600), *again = malloc(size);
    static const char *const words[] = {"the ", "kernel ", "keeps ", "time ", "and ", "walls, ", "a ", "module ", "runs ", "within ", "its ", "budget.\n"};
    for (unsigned i = 0; i < size;) {
        uint32_t r = random_u32();
        const char *word = words[r % 12];
        for (; *word && i < size; word++)
            plain[i++] = *word;
        if (r >> 28 == 0 && i < size)
            plain[i++] = (char)('0' + (r >> 8) % 10);
    }
    unsigned packed_size = size + size / 100 + 600, again_size = size;
    if (BZ2_bzBuffToBuffCompress(packed, &packed_size, plain, size, 9, 0, 30) != BZ_OK ||
        BZ2_bzBuffToBuffDecompress(again, &again_size, packed, packed_size, 0, 0) != BZ_OK || again_size != size ||
        memcmp(plain, again, size) != 0) {
        puts("failed");
        return 1;
    }
    uint32_t sum = 0;
    for (unsigned i = 0; i < packed_size; i++)
        sum = sum * 31 + (uint8_t)packed[i];
    printf("%u %u\n", packed_size, sum);
}

void bz_internal_error(int code) {
    printf("bzip2: internal error %d\n", code);
    exit(3);
}
