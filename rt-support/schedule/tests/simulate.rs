// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A thousand random sets for each policy: no accepted one misses a deadline, each refusal that
//! the theory calls exact is confirmed by a miss. `examples/simulate.rs` prints the figures, of
//! these and other seeds.

mod simulation;

use simulation::campaign;
use wasm_aot_schedule::Policy;

fn check(policy: Policy) {
    let figures = campaign::run(policy, 1_000, 1);
    assert!(figures.is_good(), "{figures}\n{:#?}", figures.remarks);
    // A test that accepts or refuses everything would show nothing.
    assert!(
        figures.accepted > 500 && figures.exact()[1] > 50,
        "{figures}"
    );
    assert!(figures.jobs > 500_000, "{figures}");
}

#[test]
fn fixed_priorities() {
    check(Policy::FixedPriority);
}

#[test]
fn earliest_deadline_first() {
    check(Policy::EarliestDeadline);
}
