// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Asks the host for time and for random bytes, and prints only what must hold for both: the
// monotonic clock does not go back, and two draws of 32 bytes differ.

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    struct timespec last = {0, 0}, now;
    int back = 0;
    for (int i = 0; i < 1000; i++) {
        if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
            return 1;
        back += now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec);
        last = now;
    }
    printf("steps back: %d\n", back);
    unsigned char a[32] = {0}, b[32] = {0};
    if (getentropy(a, sizeof a) != 0 || getentropy(b, sizeof b) != 0)
        return 1;
    printf("equal draws: %d\n", memcmp(a, b, sizeof a) == 0);
    return 0;
}
