#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds every sample's .wasm from its source, with Debian 12's packages and nothing else:
#
#   clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32          C
#   clang-22 lld-22                                              C with setjmp
#   rustc-web cargo-web rust-web-src lld-22 wasi-libc            Rust
#
# usage: build.sh [OUTPUT-DIRECTORY]      (default: beside the sources)
#
# Installs nothing; names what is missing. The same package versions give the same bytes, wherever
# the checkout lies. Beside the modules goes SHA256SUMS, the sums of sources and modules: a test
# compares it with the files, so that a source cannot change without its module.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here}
mkdir -p "$out"
out=$(CDPATH='' cd -- "$out" && pwd)

clang=clang-19
# The first clang that makes the exceptions of WebAssembly 3.0.
new_clang=clang-22
sysroot_lib=/usr/lib/wasm32-wasi
sysroot_include=/usr/include/wasm32-wasi
builtins=/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a
rustc=/usr/bin/rustc
cargo=/usr/bin/cargo
rust_lld=/usr/lib/llvm-22/bin/wasm-ld
# The standard library's source, where rustc looks for it (-Zbuild-std).
rust_src=$("$rustc" --print sysroot 2>/dev/null || echo /usr)/lib/rustlib/src/rust/library

missing=
need() { # FILE-OR-COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || missing="$missing $2"
}
need "$clang" clang-19
need /usr/lib/llvm-19/bin/wasm-ld lld-19
need "$sysroot_lib/crt1-command.o" wasi-libc
need "$builtins" libclang-rt-19-dev-wasm32
need "$rustc" rustc-web
need "$cargo" cargo-web
need "$rust_src/Cargo.lock" rust-web-src
need "$rust_lld" lld-22
need "$new_clang" clang-22
if [ -n "$missing" ]; then
    echo "build.sh: missing packages:$missing" >&2
    echo "build.sh: install them with: apt-get install$missing" >&2
    exit 1
fi

# --strip-debug keeps the name section: traps are reported by function name.
c_flags="--target=wasm32-wasi -O2 -std=gnu11 -Wall -Wextra -Werror
    -nostdlibinc -isystem $sysroot_include
    -mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals
    -ffile-prefix-map=$here=."
ld_flags="-nostdlib -L$sysroot_lib $sysroot_lib/crt1-command.o -lc $builtins -Wl,--strip-debug"

# The stack comes first in memory, so that its overflow is an access below address 0.
build_c() { # SOURCE OUTPUT [LINKER-FLAG-OR-SOURCE...]
    source=$1 output=$2
    shift 2
    echo "build.sh: $output" >&2
    # The flags are lists of words.
    # shellcheck disable=SC2086
    (cd "$here" && "$clang" $c_flags "$source" -o "$out/$output" $ld_flags \
        -Wl,--stack-first "$@")
}

build_c nbody.c nbody-c.wasm
build_c grow.c grow.wasm -Wl,--max-memory=8388608
build_c frames.c frames.wasm -Wl,-z,stack-size=1048576
for app in bounds clock count divide env exit42 files indirect lines numbers recurse serial-port \
    sha256 sort stderr unreachable; do
    build_c "$app.c" "$app.wasm"
done

(
    clang=$new_clang
    c_flags="$c_flags -Wno-deprecated -mllvm -wasm-enable-sjlj -mllvm -wasm-use-legacy-eh=false
        -mexception-handling"
    build_c jump.c jump.wasm setjmp.c
)

# Debian's Rust has no standard library for wasm32-wasip1: it is built here, from Debian's source.
echo "build.sh: hello.wasm" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
cp "$here/hello.rs" "$work/src/main.rs"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "hello"
version = "0.1.0"
edition = "2024"

[profile.release]
opt-level = 2
lto = true
codegen-units = 1
panic = "abort"
strip = "debuginfo"

[workspace]
TOML
(
    cd "$work"
    unset RUSTUP_TOOLCHAIN CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS RUSTC_WRAPPER
    RUSTC_BOOTSTRAP=1 RUSTC="$rustc" CARGO_TARGET_DIR="$work/target" \
        CARGO_ENCODED_RUSTFLAGS="-Clinker=$rust_lld$(printf '\037')-Clink-self-contained=no$(printf '\037')-Clink-arg=-L$sysroot_lib$(printf '\037')-Clink-arg=$sysroot_lib/crt1-command.o$(printf '\037')-Clink-arg=-lc$(printf '\037')--remap-path-prefix=$work=.$(printf '\037')--remap-path-prefix=$rust_src=library" \
        "$cargo" build --quiet --release --target wasm32-wasip1 \
        -Zbuild-std=std,panic_abort >&2
)
cp "$work/target/wasm32-wasip1/release/hello.wasm" "$out/hello.wasm"

(
    cd "$here"
    LC_ALL=C
    export LC_ALL
    sha256sum -- *.c *.h *.rs build.sh
    cd "$out"
    chmod 644 -- *.wasm
    sha256sum -- *.wasm
) >"$out/SHA256SUMS.new"
mv "$out/SHA256SUMS.new" "$out/SHA256SUMS"
