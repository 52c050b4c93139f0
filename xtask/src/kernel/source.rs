// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the build knows of the kernel's source: options, patches, lists of files, flags.

/// The kernel's options without their prefix `CONFIG_`. An option that is not listed is unset.
///
/// `FXSAVE` switches the SSE state only: programs that use AVX must be refused.
///
/// Chosen for interrupts that wait as little as possible (docs/sel4.md):
///
/// - `MAX_NUM_WORK_UNITS_PER_PREEMPTION`: a unit is a capability that is deleted or 256 bytes that are
///   cleared. With 2 no operation of many units is the longest section; 1 would double the time
///   that clearing takes in QEMU, where looking for interrupts is slow.
/// - `TIMER_TICK_MS`: the root task keeps the time with a timer of its own, and of the threads of
///   one priority at most one can run: the kernel's own tick is only in the way. It counts in 32
///   bits, so a second is possible up to 4 GHz.
/// - `FPU_MAX_RESTORES_SINCE_SWITCH`: after so many switches of threads, none of which used
///   floating point, its registers are put away, which costs the thread that has them one exception
///   at its next use. Much less would cost that at every switch, much more saves nothing.
pub const CONFIGURATION: &[(&str, &str)] = &[
    ("ARCH_X86", "1"),
    ("ARCH_X86_64", "1"),
    ("PLAT_PC99", "1"),
    ("ARCH_X86_GENERIC", "1"),
    ("WORD_SIZE", "64"),
    ("KERNEL_MASTER", "1"),
    ("HAVE_FPU", "1"),
    ("MAX_NUM_NODES", "1"),
    ("KERNEL_STACK_BITS", "12"),
    ("CACHE_LN_SZ", "64"),
    ("ROOT_CNODE_SIZE_BITS", "18"),
    ("NUM_DOMAINS", "1"),
    ("NUM_PRIORITIES", "256"),
    ("TIME_SLICE", "5"),
    ("TIMER_TICK_MS", "1000"),
    ("RETYPE_FAN_OUT_LIMIT", "256"),
    ("MAX_NUM_WORK_UNITS_PER_PREEMPTION", "2"),
    ("MAX_NUM_BOOTINFO_UNTYPED_CAPS", "230"),
    ("IRQ_IOAPIC", "1"),
    ("MAX_NUM_IOAPIC", "1"),
    ("XAPIC", "1"),
    ("SYSCALL", "1"),
    ("FXSAVE", "1"),
    ("XSAVE_SIZE", "512"),
    ("FPU_MAX_RESTORES_SINCE_SWITCH", "64"),
    ("FSGSBASE_MSR", "1"),
    ("MULTIBOOT_GRAPHICS_MODE_NONE", "1"),
    ("FASTPATH", "1"),
    ("OPTIMISATION_O2", "1"),
    ("DOMAIN_SCHEDULE", "\"\""),
];

/// Options of a debug build: the kernel prints to COM1 and has the debug system calls.
pub const DEBUG_CONFIGURATION: &[(&str, &str)] = &[
    ("DEBUG_BUILD", "1"),
    ("PRINTING", "1"),
    ("USER_STACK_TRACE_LENGTH", "16"),
];

/// A line of the kernel's source that is replaced: file, the line's text, its replacement.
pub struct Patch {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

/// See the documentation of [`super`]. The text must occur exactly once, or the build stops.
pub const PATCHES: &[Patch] = &[
    Patch {
        file: "include/arch/x86/arch/64/mode/kernel/stack.h",
        from: "#define KERNEL_STACK_ALIGNMENT 16\n",
        to: "#define KERNEL_STACK_ALIGNMENT 4096\n",
    },
    Patch {
        file: "src/arch/x86/kernel/vspace.c",
        from: "    uint32_t addr;\n    uint32_t fault;\n",
        to: "    word_t addr;\n    uint32_t fault;\n",
    },
    Patch {
        file: "src/arch/x86/64/object/objecttype.c",
        from: "        if (final && cap_frame_cap_get_capFMappedASID(cap)) {\n",
        to: "        if (cap_frame_cap_get_capFMappedASID(cap)) {\n",
    },
    Patch {
        file: "src/kernel/thread.c",
        from: "suspend(tcb_t *target)\n{\n    cancelIPC(target);\n",
        to: "suspend(tcb_t *target)\n{\n    cancelIPC(target);\n    \
             if (thread_state_get_tsType(target->tcbState) == ThreadState_Running) {\n        \
             setRegister(target, FaultIP, getRegister(target, NextIP));\n    }\n",
    },
];

/// Folders of C sources for this architecture and platform, and the files in each, as the
/// kernel's makefiles list them. One translation unit is made of all of them.
pub const C_SOURCES: &[(&str, &str)] = &[
    ("src", "assert inlines string util"),
    ("src/api", "faults syscall"),
    ("src/arch/x86", "c_traps idle"),
    ("src/arch/x86/64", "c_traps"),
    ("src/arch/x86/64/kernel", "elf ipi thread vspace"),
    ("src/arch/x86/64/machine", "registerset"),
    ("src/arch/x86/64/model", "smp statedata"),
    ("src/arch/x86/64/object", "objecttype"),
    ("src/arch/x86/api", "faults"),
    ("src/arch/x86/benchmark", "benchmark"),
    (
        "src/arch/x86/kernel",
        "apic boot boot_sys cmdline ept ipi smp_sys vspace x2apic xapic",
    ),
    (
        "src/arch/x86/machine",
        "breakpoint cpu_identification fpu hardware registerset",
    ),
    ("src/arch/x86/model", "statedata"),
    (
        "src/arch/x86/object",
        "interrupt ioport iospace objecttype tcb vcpu",
    ),
    ("src/benchmark", "benchmark_track benchmark_utilisation"),
    ("src/config", "default_domain"),
    ("src/fastpath", "fastpath"),
    ("src/kernel", "boot cspace faulthandler stack thread"),
    ("src/machine", "fpu io registerset"),
    ("src/model", "preemption statedata"),
    (
        "src/object",
        "cnode endpoint interrupt notification objecttype tcb untyped",
    ),
    (
        "src/plat/pc99/machine",
        "acpi hardware intel-vtd io ioapic pic pit",
    ),
    ("src/smp", "lock"),
];

/// Further C sources of a debug build.
pub const DEBUG_C_SOURCES: &[&str] = &["src/arch/x86/machine/capdl.c"];

pub const ASSEMBLY: &[&str] = &[
    "src/arch/x86/64/head.S",
    "src/arch/x86/64/machine_asm.S",
    "src/arch/x86/64/traps.S",
    "src/arch/x86/multiboot.S",
];

/// Bitfield descriptions: source, and the name under which the generated header is included.
pub const BITFIELDS: &[(&str, &str)] = &[
    (
        "include/arch/x86/arch/object/structures.bf",
        "arch/object/structures",
    ),
    (
        "include/plat/pc99/plat/64/plat_mode/machine/hardware.bf",
        "plat/64/plat_mode/machine/hardware",
    ),
    (
        "include/64/mode/api/shared_types.bf",
        "64/mode/api/shared_types",
    ),
];

/// Interface descriptions: source, name in the result, kernel header made of it, option of the
/// kernel's generator.
pub const INTERFACES: &[(&str, &str, &str, &str)] = &[
    (
        "libsel4/include/interfaces/sel4.xml",
        "object-api.xml",
        "api/invocation.h",
        "",
    ),
    (
        "libsel4/arch_include/x86/interfaces/sel4arch.xml",
        "object-api-arch.xml",
        "arch/api/invocation.h",
        "--arch",
    ),
    (
        "libsel4/sel4_arch_include/x86_64/interfaces/sel4arch.xml",
        "object-api-sel4-arch.xml",
        "arch/api/sel4_invocation.h",
        "--sel4_arch",
    ),
];

/// Include folders inside the kernel's source, in the makefiles' order.
pub const INCLUDES: &[&str] = &[
    "include",
    "include/64",
    "include/arch/x86",
    "include/arch/x86/arch/64",
    "include/plat/pc99",
    "include/plat/pc99/plat/64",
    "libsel4/include",
    "libsel4/arch_include/x86",
    "libsel4/sel4_arch_include/x86_64",
    "libsel4/sel4_plat_include/pc99",
];

/// Flags of the preprocessor and the compiler. Those from `--param` on are not the kernel's:
/// compilers newer than the kernel see errors where it reads fixed addresses and packed tables.
pub const FLAGS: &[&str] = &[
    "-DHAVE_AUTOCONF",
    "-DARCH_X86",
    "-DX86_64",
    "-DCONFIG_X86_64=y",
    "-D__KERNEL_64__",
    "-DKERNEL_64=y",
    "-D__X86_64__=y",
    "-nostdinc",
    "-m64",
    "-std=c99",
    "-ffreestanding",
    "-fno-pic",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-mcmodel=kernel",
    "-mno-mmx",
    "-mno-sse",
    "-mno-sse2",
    "-mno-3dnow",
    "-O2",
    "-w",
    "--param=min-pagesize=0",
];
