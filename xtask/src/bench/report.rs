// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the figures say: medians, ratios to native clang, geometric means; as a table, as JSON,
//! as a chart.

use super::engines::Engine;
use super::measure::Cost;
use serde_json::{Value, json};
use std::fmt::Write;

/// One program with one engine.
pub struct Cell {
    pub costs: Vec<Cost>,
    pub compile: Cost,
    pub code_bytes: Option<u64>,
}

impl Cell {
    /// Median of the processor time in seconds.
    fn seconds(&self) -> f64 {
        let mut seconds: Vec<f64> = self.costs.iter().map(|c| c.cpu.as_secs_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len() / 2;
        match seconds.len() % 2 {
            0 => (seconds[middle - 1] + seconds[middle]) / 2.0,
            _ => seconds[middle],
        }
    }
}

/// All figures.
pub struct Report {
    engines: Vec<Engine>,
    rows: Vec<(&'static str, Vec<Cell>)>,
}

/// A figure of a cell.
type Figure = fn(&Cell) -> Option<f64>;

/// What the summary compares: name, figure, and whether wasmtime (rather than native clang) is 1.
const SUMMARY: &[(&str, Figure, Engine)] = &[
    (
        "run time / clang",
        |c| Some(c.seconds()),
        Engine::NativeClang,
    ),
    (
        "run time / wasmtime",
        |c| Some(c.seconds()),
        Engine::Wasmtime,
    ),
    (
        "compile time / wasmtime",
        |c| Some(c.compile.cpu.as_secs_f64()),
        Engine::Wasmtime,
    ),
    (
        "compile memory / wasmtime",
        |c| Some(c.compile.peak_bytes as f64),
        Engine::Wasmtime,
    ),
    (
        "code size / wasmtime",
        |c| c.code_bytes.map(|n| n as f64),
        Engine::Wasmtime,
    ),
];

impl Report {
    pub fn new(engines: Vec<Engine>) -> Self {
        Self {
            engines,
            rows: Vec::new(),
        }
    }

    pub fn add(&mut self, program: &'static str, cells: Vec<Cell>) {
        self.rows.push((program, cells));
    }

    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    fn column(&self, engine: Engine) -> Option<usize> {
        self.engines.iter().position(|&e| e == engine)
    }

    /// Seconds of the base, then ratios to it.
    pub fn line(&self, row: usize) -> String {
        let (program, cells) = &self.rows[row];
        let base = cells[self.column(Engine::NativeClang).unwrap_or(0)].seconds();
        let mut line = format!("| {program} | {base:.3} s |");
        for (engine, cell) in self.engines.iter().zip(cells) {
            if *engine != Engine::NativeClang {
                let _ = write!(line, " {:.2} |", cell.seconds() / base);
            }
        }
        line.push('\n');
        line
    }

    /// Geometric mean of a figure's ratio to that of another engine, over the programs that
    /// have both.
    fn mean(&self, engine: usize, base: usize, figure: Figure) -> Option<f64> {
        let ratios: Vec<f64> = self
            .rows
            .iter()
            .filter_map(|(_, cells)| Some(figure(&cells[engine])? / figure(&cells[base])?))
            .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
            .collect();
        let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        (!ratios.is_empty()).then(|| (sum / ratios.len() as f64).exp())
    }

    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let others: Vec<&str> = self
            .engines
            .iter()
            .filter(|e| **e != Engine::NativeClang)
            .map(Engine::name)
            .collect();
        let mut table = format!("| run time | clang -O3 | {} |\n", others.join(" | "));
        let _ = writeln!(table, "|---|---|{}", "---|".repeat(others.len()));
        for row in 0..self.rows.len() {
            table.push_str(&self.line(row));
        }
        let _ = writeln!(
            table,
            "\n| geometric mean of | {} |",
            self.names().join(" | ")
        );
        let _ = writeln!(table, "|---|{}", "---|".repeat(self.engines.len()));
        for (name, figure, base) in SUMMARY {
            let Some(base) = self.column(*base) else {
                continue;
            };
            let means: Vec<String> = (0..self.engines.len())
                .map(|engine| self.mean(engine, base, *figure))
                .map(|mean| mean.map_or("-".into(), |mean| format!("{mean:.3}")))
                .collect();
            let _ = writeln!(table, "| {name} | {} |", means.join(" | "));
        }
        table
    }

    fn names(&self) -> Vec<&'static str> {
        self.engines.iter().map(Engine::name).collect()
    }

    /// Every figure.
    pub fn json(&self) -> String {
        let cell = |(engine, cell): (&Engine, &Cell)| {
            let seconds = cell.costs.iter().map(|cost| cost.cpu.as_secs_f64());
            json!({
                "engine": engine.name(),
                "cpu_seconds": seconds.collect::<Vec<f64>>(),
                "compile_cpu_seconds": cell.compile.cpu.as_secs_f64(),
                "compile_peak_bytes": cell.compile.peak_bytes,
                "code_bytes": cell.code_bytes,
            })
        };
        let row = |(program, cells): &(&str, Vec<Cell>)| {
            let engines: Vec<Value> = self.engines.iter().zip(cells).map(cell).collect();
            json!({ "program": program, "engines": engines })
        };
        let programs: Vec<Value> = self.rows.iter().map(row).collect();
        format!("{:#}\n", json!({ "programs": programs }))
    }

    /// A bar an engine: the geometric mean of its run time, native clang = 1.
    pub fn svg(&self) -> String {
        const BAR: usize = 26;
        let base = self.column(Engine::NativeClang).unwrap_or(0);
        let means: Vec<(&str, f64)> = (0..self.engines.len())
            .filter_map(|e| {
                let mean = self.mean(e, base, |cell| Some(cell.seconds()))?;
                Some((self.engines[e].name(), mean))
            })
            .collect();
        let most = means.iter().map(|(_, mean)| *mean).fold(1.0, f64::max);
        let height = means.len() * BAR + 40;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"640\" height=\"{height}\" \
             fill=\"white\"/>\n<text x=\"10\" y=\"20\">Run time, geometric mean of {} programs, \
             native clang -O3 = 1 (shorter is better)</text>\n",
            self.rows.len()
        );
        for (position, (name, mean)) in means.iter().enumerate() {
            let y = 34 + position * BAR;
            let width = mean / most * 400.0;
            let colour = match name.starts_with("wasm-aot") {
                true => "#2b6cb0",
                false => "#a0aec0",
            };
            let _ = writeln!(
                svg,
                "<text x=\"10\" y=\"{}\">{name}</text>\n<rect x=\"150\" y=\"{y}\" \
                 width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"/>\n<text x=\"{:.1}\" \
                 y=\"{}\">{mean:.2}</text>",
                y + 14,
                155.0 + width,
                y + 14
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}
