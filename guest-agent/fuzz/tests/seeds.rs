// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The first seeds, in every run of the tests.

use wasm_aot_fuzz_protocol::{Count, run};

#[test]
fn the_first_seeds_find_nothing() {
    let mut count = Count::default();
    for seed in 1..=320 {
        if let Err(what) = run(seed, &mut count) {
            panic!("seed {seed}: {what}");
        }
    }
    // It is of no use if the hostile part is not heard.
    assert!(count.faults > 50, "{count}");
    assert!(count.refused > 10_000, "{count}");
    assert!(count.loaded > 320 * 3 / 4, "{count}");
}
