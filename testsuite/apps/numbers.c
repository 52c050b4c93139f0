// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic whose results compilers get wrong at the edges: shifts, rotations, counts, wide
// multiplications, conversions that saturate, rounding, NaN and signed zero.

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>

static volatile uint32_t words[] = {0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0xffffffff};
static volatile uint64_t longs[] = {0, 1, 63, 64, 0x7fffffffffffffff, 0x8000000000000000,
                                    0xffffffffffffffff, 0x123456789abcdef0};
static volatile double reals[] = {0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e10, -1e10, 1e300, -1e300,
                                  INFINITY, -INFINITY, 4294967295.5, 9223372036854775807.0, 5e-324};

#define COUNT(array) (sizeof array / sizeof *array)

static void integers(void)
{
    for (unsigned i = 0; i < COUNT(words); i++)
        for (unsigned j = 0; j < COUNT(words); j++) {
            uint32_t a = words[i], b = words[j];
            printf("%08" PRIx32 " %08" PRIx32 ": %08" PRIx32 " %08" PRIx32 " %08" PRIx32
                   " %016" PRIx64 " %d%d",
                   a, b, a << (b & 31), (uint32_t)((int32_t)a >> (b & 31)),
                   (a << (b & 31)) | (a >> (-b & 31)), (uint64_t)a * b, a < b,
                   (int32_t)a < (int32_t)b);
            if (b != 0)
                printf(" %08" PRIx32 " %08" PRIx32, a / b, a % b);
            printf("\n");
        }
    for (unsigned i = 0; i < COUNT(longs); i++) {
        uint64_t a = longs[i];
        printf("%016" PRIx64 ": %d %d %d %016" PRIx64 " %" PRId64 " %" PRId64 " %" PRId64
               " %.17g %.17g %.9g\n",
               a, a ? __builtin_clzll(a) : 64, a ? __builtin_ctzll(a) : 64,
               __builtin_popcountll(a), a << (a & 63), (int64_t)(int8_t)a, (int64_t)(int16_t)a,
               (int64_t)(int32_t)a, (double)a, (double)(int64_t)a, (double)(float)a);
    }
}

static void floats(void)
{
    for (unsigned i = 0; i < COUNT(reals); i++) {
        double a = reals[i];
        printf("%.17g: %.17g %.17g %.17g %.17g %.17g %.17g %.9g %d\n", a, floor(a), ceil(a),
               trunc(a), rint(a), fabs(a), copysign(1, a), (double)(float)a, signbit(-a) != 0);
        // Out of range these saturate (the compiler is told to use the saturating conversions).
        printf("  %" PRId32 " %" PRIu32 " %" PRId64 " %" PRIu64 "\n", (int32_t)a, (uint32_t)a,
               (int64_t)a, (uint64_t)a);
        for (unsigned j = 0; j < COUNT(reals); j++) {
            double b = reals[j];
            printf("  %d%d%d %.17g %.17g\n", a < b, a == b, a >= b, fmin(a, b), a * b + b);
        }
    }
    volatile double nan = reals[0] / reals[0];
    printf("%d %d %d %d\n", nan == nan, nan < 1.0, nan != nan, isnan(sqrt(reals[3])) != 0);
}

int main(void)
{
    integers();
    floats();
    return 0;
}
