// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Every case of `cases/*.toml`, in each of its worlds and builds: one trial each, named
//! `case::world`. The trial `case::wasmtime` checks what the case expects against the reference,
//! `case::native` compares the reference with a native build.

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use testsuite::case::{self, Case, World};
use testsuite::process::Run;
use testsuite::{compare, world};

/// What a trial does.
type Check = Box<dyn FnOnce(&Shared) -> Result<()> + Send>;

/// A case, and its reference once somebody has asked for it.
struct Shared {
    case: Case,
    reference: OnceLock<Result<Run, String>>,
}

impl Shared {
    fn reference(&self) -> Result<&Run> {
        let reference = self
            .reference
            .get_or_init(|| world::reference(&self.case).map_err(|error| format!("{error:#}")));
        reference
            .as_ref()
            .map_err(|error| anyhow::Error::msg(error.clone()))
    }

    /// Whether a run of ours is as it should be.
    fn check(&self, run: &Run) -> Result<()> {
        compare::expectations(&self.case, run)?;
        if self.case.reference {
            compare::with_reference(&self.case, run, self.reference()?)?;
        }
        Ok(())
    }

    fn in_world(&self, world: World) -> Result<()> {
        let run = world::ours(&self.case, world)?;
        self.check(&run)?;
        // Not the exhausted stack: how many calls fit it may differ, and so what is not shown.
        if world == World::Sel4 && self.case.worlds.contains(&World::Linux) {
            let linux = world::ours(&self.case, World::Linux)?;
            compare::same_bytes("standard error (found on seL4)", &run.stderr, &linux.stderr)?;
        }
        Ok(())
    }
}

fn trials(case: Case) -> Vec<Trial> {
    let shared = Arc::new(Shared {
        case,
        reference: OnceLock::new(),
    });
    let mut trials = Vec::new();
    let mut add = |name: &str, test: Check| {
        let name = format!("{}::{name}", shared.case.name);
        let shared = Arc::clone(&shared);
        let run = move || test(&shared).map_err(|error| Failed::from(format!("{error:#}")));
        trials.push(Trial::test(name, run));
    };
    if shared.case.reference {
        let test = |shared: &Shared| compare::expectations(&shared.case, shared.reference()?);
        add("wasmtime", Box::new(test));
    }
    if let Some(source) = shared.case.native.clone() {
        let test = move |shared: &Shared| {
            let native = world::native(&shared.case, &source)?;
            let expected = shared.reference()?;
            compare::same_bytes("standard output", &native.stdout, &expected.stdout)
        };
        add("native", Box::new(test));
    }
    for world in shared.case.worlds.clone() {
        let test = move |shared: &Shared| shared.in_world(world);
        add(world.name(), Box::new(test));
    }
    for build in shared.case.builds.clone() {
        let test = move |shared: &Shared| shared.check(&world::other_build(&shared.case, build)?);
        add(build.name(), Box::new(test));
    }
    trials
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match case::all() {
        Ok(cases) => {
            let trials = cases.into_iter().flat_map(trials).collect();
            libtest_mimic::run(&arguments, trials).exit_code()
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
