/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Registers and interrupts of devices, for apps on seL4: docs/devices.md. */
#ifndef WASM_AOT_DEVICE_H
#define WASM_AOT_DEVICE_H

#include <stdint.h>

#define WASM_AOT_DEVICE(name) \
    __attribute__((import_module("wasm_aot_device"), import_name(#name)))

/* A device's number, or below 0 a WASI error number: -44 (noent) where the app has none of this
   name. */
WASM_AOT_DEVICE(open) int32_t wasm_aot_device_open(const char *name, uint32_t length);
/* Bytes of its registers, or how many I/O ports it has. */
WASM_AOT_DEVICE(size) uint64_t wasm_aot_device_size(int32_t device);

/* One access of exactly this width. An offset that is not a multiple of the width, or not wholly
   inside the device, a number that is no device's: a trap. */
WASM_AOT_DEVICE(read8) uint32_t wasm_aot_device_read8(int32_t device, uint32_t offset);
WASM_AOT_DEVICE(read16) uint32_t wasm_aot_device_read16(int32_t device, uint32_t offset);
WASM_AOT_DEVICE(read32) uint32_t wasm_aot_device_read32(int32_t device, uint32_t offset);
WASM_AOT_DEVICE(read64) uint64_t wasm_aot_device_read64(int32_t device, uint32_t offset);
WASM_AOT_DEVICE(write8)
void wasm_aot_device_write8(int32_t device, uint32_t offset, uint32_t value);
WASM_AOT_DEVICE(write16)
void wasm_aot_device_write16(int32_t device, uint32_t offset, uint32_t value);
WASM_AOT_DEVICE(write32)
void wasm_aot_device_write32(int32_t device, uint32_t offset, uint32_t value);
WASM_AOT_DEVICE(write64)
void wasm_aot_device_write64(int32_t device, uint32_t offset, uint64_t value);

/* Waits until the device has interrupted; at once where it has and that is not acknowledged. Gives
   0, or a WASI error number: 73 (timedout) after so many nanoseconds, 58 (notsup) where it has no
   interrupt, 8 (badf) where the number is no device's. */
WASM_AOT_DEVICE(interrupt_wait)
uint32_t wasm_aot_device_interrupt_wait(int32_t device, uint64_t timeout_ns);
#define WASM_AOT_DEVICE_FOREVER UINT64_MAX
/* What has come is handled; the next interrupt may come. Gives 0, 58 or 8. */
WASM_AOT_DEVICE(interrupt_acknowledge)
uint32_t wasm_aot_device_interrupt_acknowledge(int32_t device);
/* Interrupts since the app was loaded. */
WASM_AOT_DEVICE(interrupt_count) uint64_t wasm_aot_device_interrupt_count(int32_t device);

#endif
