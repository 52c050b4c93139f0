// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A hash table of strings with chains: malloc, free, pointers, string comparison.
#include "bench.h"
#define BUCKETS 65536
typedef struct node { struct node *next; uint32_t value; char key[]; } node;
static node *table[BUCKETS];

static uint32_t hash(const char *s) {
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

static node **find(const char *key) {
    node **link = &table[hash(key) % BUCKETS];
    while (*link && strcmp((*link)->key, key) != 0)
        link = &(*link)->next;
    return link;
}

int main(int argc, char **argv) {
    unsigned rounds = size_of_run(argc, argv, 4000) * 1000, live = 0;
    uint32_t sum = 0;
    for (unsigned i = 0; i < rounds; i++) {
        char key[32], *p = key;
        for (uint32_t n = random_u32() % 200000; n; n >>= 3)
            *p++ = "abcdefgh"[n & 7];
        *p = 0;
        node **link = find(key);
        if (*link && i % 3 == 0) {
            node *gone = *link;
            *link = gone->next;
            sum += gone->value;
            free(gone);
            live--;
        } else if (*link) {
            (*link)->value += i;
        } else {
            node *fresh = malloc(sizeof *fresh + (size_t)(p - key) + 1);
            fresh->next = 0;
            fresh->value = i;
            memcpy(fresh->key, key, (size_t)(p - key) + 1);
            *link = fresh;
            live++;
        }
    }
    printf("%u %u\n", live, sum);
}
