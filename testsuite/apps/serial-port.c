// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drives a serial port (16550) by its registers and its interrupt: each line that it receives it
// sends back with its number in front, from "ready" on. The line "quit" ends it.
#include "wasm-aot-device.h"
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { DATA, INTERRUPT_ENABLE, FIFO_CONTROL, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS };
enum { DATA_READY = 1, TRANSMITTER_EMPTY = 0x20 };

static const char name[] = "port";
static int32_t port;

static bool ready(void) {
    return wasm_aot_device_read8(port, LINE_STATUS) & DATA_READY;
}

static void set(uint32_t reg, uint32_t value) {
    wasm_aot_device_write8(port, reg, value);
}

static void begin(void) {
    set(INTERRUPT_ENABLE, 0);
    // 115200 baud, 8 bits, no parity; FIFOs, an interrupt with each byte; the interrupt leaves
    // the chip.
    set(LINE_CONTROL, 0x80);
    set(DATA, 1);
    set(INTERRUPT_ENABLE, 0);
    set(LINE_CONTROL, 3);
    set(FIFO_CONTROL, 1);
    set(MODEM_CONTROL, 0x0b);
    set(INTERRUPT_ENABLE, 1);
}

static void send(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        while (!(wasm_aot_device_read8(port, LINE_STATUS) & TRANSMITTER_EMPTY))
            ;
        set(DATA, (unsigned char)text[i]);
    }
}

static char line[128];
static size_t length;
static unsigned lines;

// Writes a number to the end of `to`, of 10 bytes; gives where it begins.
static size_t decimal(char *to, unsigned number) {
    size_t at = 10;
    do {
        to[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return at;
}

// Takes a byte; says whether that was the end.
static bool receive(char byte) {
    if (byte != '\n') {
        // What is longer is cut off.
        if (length < sizeof line)
            line[length++] = byte;
        return false;
    }
    char number[10];
    size_t at = decimal(number, ++lines);
    send(number + at, sizeof number - at);
    send(": ", 2);
    send(line, length);
    send("\n", 1);
    bool quit = length == 4 && memcmp(line, "quit", 4) == 0;
    length = 0;
    return quit;
}

int main(void) {
    port = wasm_aot_device_open(name, sizeof name - 1);
    if (port < 0)
        return 1;
    begin();
    // What has been received before is lost: the FIFOs were empty when they began.
    send("ready\n", 6);
    for (;;) {
        while (ready())
            if (receive((char)wasm_aot_device_read8(port, DATA))) {
                static const char end[] = "served by interrupts\n";
                if (wasm_aot_device_interrupt_count(port) == 0)
                    return 2;
                write(STDOUT_FILENO, end, sizeof end - 1);
                return 0;
            }
        // The next interrupt may come from here on. What has come before is seen by looking once
        // more: the pin says only that it becomes active.
        if (wasm_aot_device_interrupt_acknowledge(port) != 0)
            return 1;
        if (!ready())
            wasm_aot_device_interrupt_wait(port, WASM_AOT_DEVICE_FOREVER);
    }
}
