// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How far a build is, and what its phases took: the progress bar and `--timings`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::fmt;
use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};
use wasm_aot_compiler::progress::FunctionTimes;
use wasm_aot_compiler::{Phase, Progress};

/// Builds that are shorter show no bar: it would only flicker.
const PATIENCE: Duration = Duration::from_millis(300);

/// Watches one build.
pub struct Watch {
    /// The phases that have begun, each with its name and its beginning; reading is the first.
    phases: Mutex<Vec<(&'static str, Instant)>>,
    functions: AtomicU64,
    /// Nanoseconds of all threads.
    translate: AtomicU64,
    optimize: AtomicU64,
    generate: AtomicU64,
    /// Hidden at first.
    bar: Option<ProgressBar>,
    show: Once,
    start: Instant,
}

/// What the phases took, in seconds.
#[derive(Serialize)]
pub struct Timings {
    phases: Vec<PhaseTime>,
    functions: u64,
    /// Of the phase `functions`: what its parts took, all threads together.
    translate_thread_seconds: f64,
    optimize_thread_seconds: f64,
    generate_thread_seconds: f64,
    total_seconds: f64,
}

#[derive(Serialize)]
struct PhaseTime {
    phase: &'static str,
    seconds: f64,
}

impl Watch {
    /// Begins with the phase that reads the module. There is a bar where standard error is a
    /// terminal.
    pub fn new(quiet: bool) -> Self {
        let style = ProgressStyle::with_template("{msg:10} [{bar:40}] {pos}/{len} functions");
        let style = style.expect("a template that has been tried");
        let bar = (!quiet && stderr().is_terminal()).then(|| {
            ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden())
                .with_style(style.progress_chars("=> "))
        });
        let now = Instant::now();
        Self {
            phases: Mutex::new(vec![("read", now)]),
            functions: AtomicU64::new(0),
            translate: AtomicU64::new(0),
            optimize: AtomicU64::new(0),
            generate: AtomicU64::new(0),
            bar,
            show: Once::new(),
            start: now,
        }
    }

    /// The object is complete and will be written.
    pub fn write(&self) {
        self.enter("write");
    }

    /// Ends the last phase.
    pub fn timings(&self) -> Timings {
        let phases = self.phases();
        let now = Instant::now();
        let ends = phases.iter().skip(1).map(|&(_, start)| start);
        let ends = ends.chain([now]);
        let times = phases
            .iter()
            .zip(ends)
            .map(|(&(phase, start), end)| PhaseTime {
                phase,
                seconds: end.duration_since(start).as_secs_f64(),
            });
        let seconds = |nanoseconds: &AtomicU64| {
            Duration::from_nanos(nanoseconds.load(Ordering::Relaxed)).as_secs_f64()
        };
        Timings {
            phases: times.collect(),
            functions: self.functions.load(Ordering::Relaxed),
            translate_thread_seconds: seconds(&self.translate),
            optimize_thread_seconds: seconds(&self.optimize),
            generate_thread_seconds: seconds(&self.generate),
            total_seconds: now.duration_since(self.start).as_secs_f64(),
        }
    }

    fn phases(&self) -> MutexGuard<'_, Vec<(&'static str, Instant)>> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, name: &'static str) {
        self.phases().push((name, Instant::now()));
        if let Some(bar) = &self.bar {
            bar.set_message(name);
        }
    }

    /// Moves the bar, and lets it be seen once it is clear that the build takes long.
    fn advance(&self, bar: &ProgressBar, functions: u64) {
        if self.start.elapsed() >= PATIENCE {
            self.show
                .call_once(|| bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
            bar.set_position(functions);
        }
    }
}

impl Progress for Watch {
    fn begin(&self, phase: Phase) {
        self.enter(match phase {
            Phase::Validate => "validate",
            Phase::Plan => "plan",
            Phase::Functions => "functions",
            Phase::Emit => "emit",
        });
    }

    fn expect(&self, functions: usize) {
        if let Some(bar) = &self.bar {
            bar.inc_length(functions as u64);
        }
    }

    fn compiled(&self, times: FunctionTimes) {
        let add = |sum: &AtomicU64, time: Duration| {
            sum.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        };
        add(&self.translate, times.translate);
        add(&self.optimize, times.optimize);
        add(&self.generate, times.generate);
        let functions = self.functions.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            self.advance(bar, functions);
        }
    }
}

impl Drop for Watch {
    /// Whatever comes next on the terminal begins on a clean line.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PhaseTime { phase, seconds } in &self.phases {
            write!(f, "{phase:10} {seconds:9.3} s")?;
            if *phase == "functions" {
                write!(
                    f,
                    "  ({} of them; on all threads: translate {:.3} s, optimize {:.3} s, \
                     generate {:.3} s)",
                    self.functions,
                    self.translate_thread_seconds,
                    self.optimize_thread_seconds,
                    self.generate_thread_seconds
                )?;
            }
            writeln!(f)?;
        }
        writeln!(f, "{:10} {:9.3} s", "total", self.total_seconds)
    }
}
