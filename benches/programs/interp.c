// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An interpreter loop: a register machine with a switch, running a program that counts primes by trial division.
#include "bench.h"

enum { LOADI, MOV, ADD, SUB, MUL, REM, LESS, JZ, JMP, INC, HALT };
typedef struct { uint8_t op, a, b, c; int32_t imm; } instruction;

static const instruction program[] = {
    {LOADI, 1, 0, 0, 2},                                  // r1: candidate
    {LOADI, 2, 0, 0, 0},                                  // r2: primes found
    {LESS, 3, 1, 0, 0}, {JZ, 3, 0, 0, 14},                // while r1 < r0
    {LOADI, 4, 0, 0, 2},                                  // r4: divisor
    {MUL, 5, 4, 4, 0}, {LESS, 6, 1, 5, 0}, {JZ, 6, 0, 0, 9}, {JMP, 0, 0, 0, 12},
    {REM, 7, 1, 4, 0}, {JZ, 7, 0, 0, 13}, {INC, 4, 0, 0, 0 },
    {INC, 2, 0, 0, 0}, {INC, 1, 0, 0, 0}, {HALT, 0, 0, 0, 0},
};

static int32_t run(const instruction *code, int32_t *r) {
    for (unsigned pc = 0;;) {
        const instruction *i = &code[pc++];
        switch (i->op) {
        case LOADI: r[i->a] = i->imm; break;
        case MOV: r[i->a] = r[i->b]; break;
        case ADD: r[i->a] = r[i->b] + r[i->c]; break;
        case SUB: r[i->a] = r[i->b] - r[i->c]; break;
        case MUL: r[i->a] = r[i->b] * r[i->c]; break;
        case REM: r[i->a] = r[i->b] % r[i->c]; break;
        case LESS: r[i->a] = r[i->b] < r[i->c]; break;
        case JZ: if (!r[i->a]) pc = (unsigned)i->imm; break;
        case JMP: pc = (unsigned)i->imm; break;
        case INC: r[i->a]++; break;
        case HALT: return r[2];
        }
    }
}

// The jump back to the divisor loop is an instruction of its own, so that the code above stays readable.
int main(int argc, char **argv) {
    instruction code[sizeof program / sizeof *program + 2];
    memcpy(code, program, sizeof program);
    // INC r4 is followed by a jump back to the test; what comes after moves on by one.
    unsigned count = sizeof program / sizeof *program;
    memmove(&code[13], &code[12], (count - 12) * sizeof *code);
    code[12] = (instruction){JMP, 0, 0, 0, 5};
    code[3].imm = 16;          // end
    code[8].imm = 13;          // prime
    code[10].imm = 14;         // not prime
    memmove(&code[16], &code[15], sizeof *code);
    code[15] = (instruction){JMP, 0, 0, 0, 2};
    int32_t registers[8] = {(int32_t)size_of_run(argc, argv, 800000)};
    printf("%d\n", run(code, registers));
}
