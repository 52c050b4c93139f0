// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the figures say: medians, ratios to native clang, geometric means; as tables, as JSON.

use super::engines::Engine;
use super::measure::Cost;
use super::modules::Compiled;
use super::startup::Startup;
use serde_json::{Value, json};
use std::fmt::Write;

/// One program with one engine.
#[derive(Default)]
pub struct Cell {
    /// One of each run.
    pub costs: Vec<Cost>,
    pub compile: Option<Cost>,
    pub code_bytes: Option<u64>,
    /// Without those of an empty program.
    pub instructions: Option<u64>,
}

impl Cell {
    /// Median of the processor time in seconds.
    fn seconds(&self) -> Option<f64> {
        median(self.costs.iter().map(|cost| cost.cpu.as_secs_f64()))
    }
}

fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() % 2 {
        0 => Some(f64::midpoint(
            *figures.get(middle.checked_sub(1)?)?,
            figures[middle],
        )),
        _ => Some(figures[middle]),
    }
}

/// All figures.
pub struct Report {
    pub engines: Vec<Engine>,
    rows: Vec<(&'static str, Vec<Cell>)>,
    /// Instructions of an empty program, an engine each.
    pub empty: Vec<Option<u64>>,
    pub startup: Vec<Startup>,
    /// Name, bytes, what compiling took.
    pub modules: Vec<(&'static str, u64, Vec<Compiled>)>,
}

/// A figure of a cell.
pub type Figure = fn(&Cell) -> Option<f64>;

pub const TIME: Figure = Cell::seconds;
pub const INSTRUCTIONS: Figure = |cell| cell.instructions.map(|count| count as f64);
const CODE: Figure = |cell| cell.code_bytes.map(|bytes| bytes as f64);

/// What the summary compares: name, figure, and the engine that is 1.
const SUMMARY: &[(&str, Figure, Engine)] = &[
    ("run time / clang -O3", TIME, Engine::Clang),
    ("run time / wasmtime", TIME, Engine::Wasmtime),
    ("instructions / clang -O3", INSTRUCTIONS, Engine::Clang),
    ("instructions / wasmtime", INSTRUCTIONS, Engine::Wasmtime),
    (
        "compile time / wasmtime",
        |cell| Some(cell.compile?.cpu.as_secs_f64()),
        Engine::Wasmtime,
    ),
    (
        "compile memory / wasmtime",
        |cell| Some(cell.compile?.peak_bytes as f64),
        Engine::Wasmtime,
    ),
    ("code size / wasmtime", CODE, Engine::Wasmtime),
];

const MIB: f64 = 1024.0 * 1024.0;

impl Report {
    pub fn new(engines: Vec<Engine>) -> Self {
        Self {
            engines,
            rows: Vec::new(),
            empty: Vec::new(),
            startup: Vec::new(),
            modules: Vec::new(),
        }
    }

    pub fn add(&mut self, program: &'static str, cells: Vec<Cell>) {
        self.rows.push((program, cells));
    }

    pub fn programs(&self) -> usize {
        self.rows.len()
    }

    pub fn column(&self, engine: Engine) -> Option<usize> {
        self.engines.iter().position(|&e| e == engine)
    }

    fn names(&self) -> Vec<&'static str> {
        self.engines.iter().map(Engine::name).collect()
    }

    /// Geometric mean of a figure's ratio to that of another engine, over the programs that
    /// have both.
    pub fn mean(&self, engine: usize, base: usize, figure: Figure) -> Option<f64> {
        let ratios: Vec<f64> = self
            .rows
            .iter()
            .filter_map(|(_, cells)| Some(figure(&cells[engine])? / figure(&cells[base])?))
            .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
            .collect();
        let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        (!ratios.is_empty()).then(|| (sum / ratios.len() as f64).exp())
    }

    /// The last program's figures, to look at while the next one runs.
    pub fn progress(&self) -> String {
        let last = self.rows.len() - 1;
        [
            self.line(last, TIME, |s| format!("{s:.3} s")),
            self.line(last, INSTRUCTIONS, millions),
        ]
        .concat()
    }

    /// All tables.
    pub fn text(&self) -> String {
        let tables = [
            self.summary(),
            self.table("run time", TIME, |s| format!("{s:.3} s")),
            self.table("instructions", INSTRUCTIONS, millions),
            self.empty_table(),
            self.startup_table(),
            self.module_table(),
        ];
        let tables: Vec<String> = tables.into_iter().filter(|t| !t.is_empty()).collect();
        tables.join("\n")
    }

    /// The geometric means.
    pub fn summary(&self) -> String {
        let mut lines = String::new();
        for (name, figure, base) in SUMMARY {
            let Some(base) = self.column(*base) else {
                continue;
            };
            let means: Vec<Option<f64>> = (0..self.engines.len())
                .map(|engine| self.mean(engine, base, *figure))
                .collect();
            if means.iter().any(Option::is_some) {
                let means: Vec<String> = means
                    .into_iter()
                    .map(|mean| mean.map_or("-".into(), |mean| format!("{mean:.3}")))
                    .collect();
                let _ = writeln!(lines, "| {name} | {} |", means.join(" | "));
            }
        }
        head("geometric mean of", &self.names(), lines)
    }

    /// A figure of native clang and of the others as ratios to it, a line a program; empty where
    /// it was not measured.
    pub fn table(&self, name: &str, figure: Figure, absolute: fn(f64) -> String) -> String {
        let lines: String = (0..self.rows.len())
            .map(|row| self.line(row, figure, absolute))
            .collect();
        head(name, &self.names(), lines)
    }

    fn line(&self, row: usize, figure: Figure, absolute: fn(f64) -> String) -> String {
        let (program, cells) = &self.rows[row];
        let Some(base) = self.column(Engine::Clang).and_then(|c| figure(&cells[c])) else {
            return String::new();
        };
        let mut line = format!("| {program} |");
        for (engine, cell) in self.engines.iter().zip(cells) {
            let text = match figure(cell) {
                Some(value) if *engine == Engine::Clang => absolute(value),
                Some(value) => format!("{:.2}", value / base),
                None => "-".into(),
            };
            let _ = write!(line, " {text} |");
        }
        line.push('\n');
        line
    }

    /// What was taken off the instructions: those of an empty program.
    pub fn empty_table(&self) -> String {
        let mut line = String::new();
        if !self.empty.is_empty() {
            let count = |count: &Option<u64>| count.map_or("-".into(), |n| millions(n as f64));
            let counts: Vec<String> = self.empty.iter().map(count).collect();
            let _ = writeln!(
                line,
                "| an empty program, taken off above | {} |",
                counts.join(" | ")
            );
        }
        head("instructions", &self.names(), line)
    }

    pub fn startup_table(&self) -> String {
        let mut lines = String::new();
        let base = self.startup.iter().find(|s| s.engine == Engine::Clang);
        for startup in &self.startup {
            let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6;
            let ratio = base.map(|base| micros(startup.median) / micros(base.median));
            let _ = writeln!(
                lines,
                "| {} | {:.0} µs | {:.0} µs | {} |",
                startup.engine.name(),
                micros(startup.fastest),
                micros(startup.median),
                ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"))
            );
        }
        head(
            "hello, start to end",
            &["fastest", "median", "median / clang"],
            lines,
        )
    }

    pub fn module_table(&self) -> String {
        let mut lines = String::new();
        for (name, bytes, compiled) in &self.modules {
            let base = compiled.iter().find(|c| c.engine == Engine::Wasmtime);
            let base = base.map(|base| (seconds(base), peak(base), base.code_bytes as f64));
            for compiled in compiled {
                let figures = (
                    seconds(compiled),
                    peak(compiled),
                    compiled.code_bytes as f64,
                );
                let ratio = |figure: fn(&(f64, f64, f64)) -> f64| match &base {
                    Some(base) => format!(" ({:.2})", figure(&figures) / figure(base)),
                    None => String::new(),
                };
                let _ = writeln!(
                    lines,
                    "| {name}, {:.1} MiB | {} | {:.2} s{} | {:.0} MiB{} | {:.1} MiB{} |",
                    *bytes as f64 / MIB,
                    compiled.engine.name(),
                    figures.0,
                    ratio(|f| f.0),
                    figures.1 / MIB,
                    ratio(|f| f.1),
                    figures.2 / MIB,
                    ratio(|f| f.2),
                );
            }
        }
        let columns = ["engine", "processor time", "peak memory", "code"];
        head("module (ratio to wasmtime)", &columns, lines)
    }

    /// Every figure.
    pub fn json(&self) -> String {
        let costs = |costs: &[Cost]| -> Vec<f64> {
            costs.iter().map(|cost| cost.cpu.as_secs_f64()).collect()
        };
        let cell = |(engine, cell): (&Engine, &Cell)| {
            json!({
                "engine": engine.name(),
                "cpu_seconds": costs(&cell.costs),
                "instructions": cell.instructions,
                "compile_cpu_seconds": cell.compile.map(|cost| cost.cpu.as_secs_f64()),
                "compile_peak_bytes": cell.compile.map(|cost| cost.peak_bytes),
                "code_bytes": cell.code_bytes,
            })
        };
        let program = |(program, cells): &(&str, Vec<Cell>)| {
            let engines: Vec<Value> = self.engines.iter().zip(cells).map(cell).collect();
            json!({ "program": program, "engines": engines })
        };
        let empty = |(engine, count): (&Engine, &Option<u64>)| json!({ "engine": engine.name(), "instructions": count });
        let startup = |startup: &Startup| {
            json!({
                "engine": startup.engine.name(),
                "fastest_seconds": startup.fastest.as_secs_f64(),
                "median_seconds": startup.median.as_secs_f64(),
            })
        };
        let compiled = |compiled: &Compiled| {
            json!({
                "engine": compiled.engine.name(),
                "cpu_seconds": costs(&compiled.costs),
                "peak_bytes": compiled.costs.iter().map(|c| c.peak_bytes).collect::<Vec<u64>>(),
                "code_bytes": compiled.code_bytes,
            })
        };
        let module = |(name, bytes, all): &(&str, u64, Vec<Compiled>)| {
            let engines: Vec<Value> = all.iter().map(compiled).collect();
            json!({ "module": name, "bytes": bytes, "engines": engines })
        };
        let all = json!({
            "programs": self.rows.iter().map(program).collect::<Vec<Value>>(),
            "empty_program": self.engines.iter().zip(&self.empty).map(empty).collect::<Vec<Value>>(),
            "startup": self.startup.iter().map(startup).collect::<Vec<Value>>(),
            "modules": self.modules.iter().map(module).collect::<Vec<Value>>(),
        });
        format!("{all:#}\n")
    }
}

pub fn millions(count: f64) -> String {
    format!("{:.1} M", count / 1e6)
}

fn seconds(compiled: &Compiled) -> f64 {
    median(compiled.costs.iter().map(|cost| cost.cpu.as_secs_f64())).unwrap_or(f64::NAN)
}

fn peak(compiled: &Compiled) -> f64 {
    median(compiled.costs.iter().map(|cost| cost.peak_bytes as f64)).unwrap_or(f64::NAN)
}

/// A table in Markdown; nothing where it has no lines.
fn head(name: &str, columns: &[&str], lines: String) -> String {
    match lines.is_empty() {
        true => lines,
        false => format!(
            "| {name} | {} |\n|---|{}\n{lines}",
            columns.join(" | "),
            "---:|".repeat(columns.len())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn cell(seconds: &[u64], instructions: Option<u64>) -> Cell {
        let cost = |&seconds: &u64| Cost {
            cpu: Duration::from_secs(seconds),
            peak_bytes: 0,
        };
        Cell {
            costs: seconds.iter().map(cost).collect(),
            instructions,
            ..Cell::default()
        }
    }

    #[test]
    fn medians_of_even_odd_and_no_runs() {
        assert_eq!(cell(&[3, 1, 2], None).seconds(), Some(2.0));
        assert_eq!(cell(&[4, 1, 2, 3], None).seconds(), Some(2.5));
        assert_eq!(cell(&[], None).seconds(), None);
    }

    #[test]
    fn means_are_over_what_both_engines_have() {
        let mut report = Report::new(vec![Engine::Clang, Engine::Ours]);
        report.add("a", vec![cell(&[1], Some(100)), cell(&[2], Some(200))]);
        report.add("b", vec![cell(&[1], Some(100)), cell(&[8], None)]);
        let mean = report.mean(1, 0, TIME).unwrap();
        assert!((mean - 4.0).abs() < 1e-9, "{mean}");
        let mean = report.mean(1, 0, INSTRUCTIONS).unwrap();
        assert!((mean - 2.0).abs() < 1e-9, "{mean}");
        let table = report.table("instructions", INSTRUCTIONS, millions);
        assert!(table.contains("| b | 0.0 M | - |"), "{table}");
        assert!(report.startup_table().is_empty() && report.module_table().is_empty());
    }
}
