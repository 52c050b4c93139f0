// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Damaged input: modules with flipped bits for the compiler, objects with flipped bits for the
//! loader. Whatever they say to it, they must not panic.

use crate::random::Random;
use std::panic::{self, AssertUnwindSafe};
use wasm_aot_compiler::{Options, SUPPORTED_FEATURES, compile};
use wasm_aot_contract::{Contract, Names, encode};
use wasm_aot_loader::{Object, Resolution};

/// Damaged copies of each module and of each object.
const COPIES: usize = 4;
/// The largest image that is loaded.
const MAX_IMAGE: u64 = 64 << 20;

/// Tries damaged copies of a module and of its object.
///
/// # Errors
/// Says what panicked.
pub fn check(seed: u64, module: &[u8]) -> Result<(), String> {
    let mut random = Random::new(seed ^ 0x00da_3a9e);
    let options = Options {
        features: SUPPORTED_FEATURES,
        ..Options::default()
    };
    for copy in 0..COPIES {
        let damaged = damage(module, &mut random);
        let result = panic::catch_unwind(|| drop(compile(&damaged, &options)));
        result.map_err(|_| format!("the compiler panics on copy {copy} of seed {seed}"))?;
    }
    let contract = Contract {
        name: "fuzz",
        imports: Names::new(b"a.*\0b.c\0").ok(),
        devices: Names::new(b"uart1\0gpio\0").unwrap_or(Names::EMPTY),
        ..Contract::default()
    };
    let options = Options {
        contract: encode(&contract).map_err(|error| error.to_string())?,
        ..options
    };
    let Ok(object) = compile(module, &options) else {
        return Ok(());
    };
    for copy in 0..COPIES {
        let damaged = damage(&object, &mut random);
        let result = panic::catch_unwind(AssertUnwindSafe(|| load(&damaged)));
        result.map_err(|_| format!("the loader panics on copy {copy} of seed {seed}'s object"))?;
    }
    Ok(())
}

fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    if damaged.is_empty() {
        return damaged;
    }
    for _ in 0..1 + random.below(8) {
        let position = random.below(damaged.len() as u64) as usize;
        damaged[position] ^= 1 << random.below(8);
    }
    damaged
}

/// Everything that a loader does short of running the code.
fn load(bytes: &[u8]) {
    let Ok(object) = Object::parse(bytes) else {
        return;
    };
    let _ = object
        .contract()
        .map(|contract| contract.fits(object.meta()));
    let total = object.layout().total;
    if total > MAX_IMAGE {
        return;
    }
    let mut image = vec![0; total as usize];
    let resolve = &mut |_: &_| Some(Resolution::Address(0x1234_5000));
    let _ = object.load(&mut image, 0x10_0000, resolve);
}
