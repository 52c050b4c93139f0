// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calls through function pointers: a table of operations, chosen by data.
#include "bench.h"

typedef uint32_t operation(uint32_t, uint32_t);
static uint32_t op_add(uint32_t a, uint32_t b) { return a + b; }
static uint32_t op_xor(uint32_t a, uint32_t b) { return a ^ b; }
static uint32_t op_mul(uint32_t a, uint32_t b) { return a * (b | 1); }
static uint32_t op_rot(uint32_t a, uint32_t b) { return (a << 7 | a >> 25) + b; }
static uint32_t op_sub(uint32_t a, uint32_t b) { return a - b; }
static uint32_t op_shr(uint32_t a, uint32_t b) { return (a >> 3) + b; }
static uint32_t op_not(uint32_t a, uint32_t b) { return ~a + b; }
static uint32_t op_avg(uint32_t a, uint32_t b) { return (a >> 1) + (b >> 1); }
static operation *const volatile operations[8] = {op_add, op_xor, op_mul, op_rot, op_sub, op_shr, op_not, op_avg};

int main(int argc, char **argv) {
    unsigned rounds = size_of_run(argc, argv, 200) * 1000000;
    static uint8_t order[1024];
    for (unsigned i = 0; i < sizeof order; i++)
        order[i] = random_u32() & 7;
    uint32_t sum = 1;
    for (unsigned i = 0; i < rounds; i++)
        sum = operations[order[i % sizeof order]](sum, i);
    printf("%u\n", sum);
}
