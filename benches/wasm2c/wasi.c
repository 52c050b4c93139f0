// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The seven WASI preview 1 functions that the benchmark programs import, for the C that wasm2c makes of them, and a main function.
// Only for measuring: arguments and standard output.
#include "wasm2c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, BADF = 8, FAULT = 21, SPIPE = 70 };

struct Z_wasi_snapshot_preview1_instance_t {
    Z_bench_instance_t *program;
    int argc;
    char **argv;
};
typedef struct Z_wasi_snapshot_preview1_instance_t host;

static u8 *at(host *h, u32 address, u64 bytes) {
    wasm_rt_memory_t *memory = Z_benchZ_memory(h->program);
    if (address + bytes > memory->size)
        exit(FAULT);
    return memory->data + address;
}

static void put(host *h, u32 address, u32 value) { memcpy(at(h, address, 4), &value, 4); }

static u32 get(host *h, u32 address) {
    u32 value;
    memcpy(&value, at(h, address, 4), 4);
    return value;
}

u32 Z_wasi_snapshot_preview1Z_args_sizes_get(host *h, u32 count, u32 size) {
    u32 bytes = 0;
    for (int i = 0; i < h->argc; i++)
        bytes += strlen(h->argv[i]) + 1;
    put(h, count, h->argc);
    put(h, size, bytes);
    return OK;
}

u32 Z_wasi_snapshot_preview1Z_args_get(host *h, u32 pointers, u32 strings) {
    for (int i = 0; i < h->argc; i++) {
        u32 bytes = strlen(h->argv[i]) + 1;
        put(h, pointers + 4 * i, strings);
        memcpy(at(h, strings, bytes), h->argv[i], bytes);
        strings += bytes;
    }
    return OK;
}

u32 Z_wasi_snapshot_preview1Z_fd_write(host *h, u32 fd, u32 vectors, u32 count, u32 result) {
    u32 written = 0;
    for (u32 i = 0; i < count; i++) {
        u32 start = get(h, vectors + 8 * i), bytes = get(h, vectors + 8 * i + 4);
        if (write(fd, at(h, start, bytes), bytes) != bytes)
            exit(1);
        written += bytes;
    }
    put(h, result, written);
    return OK;
}

u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(host *h, u32 fd, u32 result) {
    if (fd > 2)
        return BADF;
    u8 *stat = at(h, result, 24);
    memset(stat, 0, 24);
    stat[0] = 2; // a character device
    memset(stat + 8, 0xff, 8);
    return OK;
}

u32 Z_wasi_snapshot_preview1Z_fd_close(host *h, u32 fd) { return fd > 2 ? BADF : OK; }

u32 Z_wasi_snapshot_preview1Z_fd_seek(host *h, u32 fd, u64 offset, u32 whence, u32 result) { return fd > 2 ? BADF : SPIPE; }

void Z_wasi_snapshot_preview1Z_proc_exit(host *h, u32 code) { exit(code); }

int main(int argc, char **argv) {
    Z_bench_instance_t program;
    host h = {&program, argc, argv};
    wasm_rt_init();
    Z_bench_init_module();
    Z_bench_instantiate(&program, &h);
    Z_benchZ__start(&program);
    return 0;
}
