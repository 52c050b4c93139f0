// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The chart: a bar an engine, the geometric mean of its run time, native clang = 1.

use super::engines::Engine;
use super::report::{Report, TIME};
use std::fmt::Write;

/// Pixels.
const WIDTH: usize = 640;
const BAR: usize = 26;
const LONGEST: f64 = 400.0;

/// The chart as SVG.
pub fn svg(report: &Report) -> String {
    let base = report.column(Engine::Clang).unwrap_or(0);
    let means: Vec<(&str, f64)> = (0..report.engines.len())
        .filter_map(|engine| {
            let mean = report.mean(engine, base, TIME)?;
            Some((report.engines[engine].name(), mean))
        })
        .collect();
    let most = means.iter().map(|(_, mean)| *mean).fold(1.0, f64::max);
    let height = means.len() * BAR + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{WIDTH}\" \
         height=\"{height}\" fill=\"white\"/>\n<text x=\"10\" y=\"20\">Run time, geometric mean \
         of {} programs, native clang -O3 = 1 (shorter is better)</text>\n",
        report.programs()
    );
    for (position, (name, mean)) in means.iter().enumerate() {
        let y = 34 + position * BAR;
        let width = mean / most * LONGEST;
        let colour = match name.starts_with("wasm-aot") {
            true => "#2b6cb0",
            false => "#a0aec0",
        };
        let text = y + 14;
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{text}\">{name}</text>\n<rect x=\"150\" y=\"{y}\" \
             width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"/>\n<text x=\"{:.1}\" \
             y=\"{text}\">{mean:.2}</text>",
            155.0 + width,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
