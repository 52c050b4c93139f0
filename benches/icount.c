// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A plugin of qemu-user (TCG, version 1 of the interface, QEMU 4.2 and later) that counts the instructions which
// a program executes, as a processor's counter of retired instructions does: one instruction that repeats
// itself (`rep movsb`) counts once. Loaded with `-plugin libicount.so,out=PATH`; the count is in PATH
// when the program has ended.
//
// Each translated block adds its length to one counter when it begins, in the translated code itself. Threads
// may lose counts of each other; the programs that are measured have one.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The part of qemu-plugin.h that is used: Debian packages no header.
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*block_callback)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*exit_callback)(qemu_plugin_id_t, void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, block_callback);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, exit_callback, void *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t count;
static char *path;

// Whether an x86 instruction is a string operation under a repeat prefix.
static bool repeats(const struct qemu_plugin_insn *instruction) {
    const uint8_t *bytes = qemu_plugin_insn_data(instruction);
    size_t size = qemu_plugin_insn_size(instruction);
    bool repeat = false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = bytes[i];
        if (byte == 0xf2 || byte == 0xf3)
            repeat = true;
        else if (byte == 0x66 || byte == 0x67 || byte == 0x64 || byte == 0x65 || (byte & 0xf0) == 0x40)
            continue; // other prefixes
        else
            return repeat && ((byte >= 0xa4 && byte <= 0xa7) || (byte >= 0xaa && byte <= 0xaf) ||
                              (byte >= 0x6c && byte <= 0x6f));
    }
    return false;
}

// QEMU executes the first round of a repeated instruction at the end of the block in which it stands, and each
// further one in a block that begins with it. So where a block begins with one, that one has been counted. (What is
// lost is one for each jump to such an instruction.)
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    size_t length = qemu_plugin_tb_n_insns(block);
    if (length > 0 && repeats(qemu_plugin_tb_get_insn(block, 0)))
        length--;
    if (length > 0)
        qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &count, length);
}

static void finished(qemu_plugin_id_t id, void *unused) {
    (void)id, (void)unused;
    FILE *file = fopen(path, "w");
    if (!file || fprintf(file, "%llu\n", (unsigned long long)count) < 0 || fclose(file))
        perror(path);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "out=", 4))
            path = strdup(argv[i] + 4);
    if (!path) {
        fputs("icount: which file? -plugin libicount.so,out=PATH\n", stderr);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, 0);
    return 0;
}
