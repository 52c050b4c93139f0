// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What became of the apps of a machine: a table for people, JSON for programs, a verdict.

use super::watch::{Seen, Stream};
use crate::table::{Table, microseconds};
use sel4_host::Outcome;
use serde::{Serialize, Serializer};
use std::fmt;
use wasm_aot_contract::Class;
use wasm_aot_schedule::{Histogram, Report};

/// What became of all.
#[derive(Serialize)]
pub struct Result {
    /// Whether the root task came to its end.
    finished: bool,
    /// What it said at its end.
    summary: Option<String>,
    apps: Vec<App>,
}

/// What became of an app.
#[derive(Serialize)]
struct App {
    name: String,
    /// Absent where it has not ended.
    exit_code: Option<i32>,
    refused: Option<String>,
    trap_count: u64,
    /// Reports of the first traps.
    traps: Vec<String>,
    stdout: Text,
    stderr: Text,
    /// Absent where the app had no contract.
    #[serde(serialize_with = "report")]
    report: Option<Box<Report>>,
    /// Why a report could not be read.
    damaged_report: Option<String>,
    /// What it did that it should not have.
    problems: Vec<String>,
}

/// What an app wrote; of long streams the beginning.
#[derive(Serialize)]
struct Text {
    bytes: u64,
    text: String,
}

impl From<Stream> for Text {
    fn from(stream: Stream) -> Self {
        Self {
            bytes: stream.bytes,
            text: String::from_utf8_lossy(&stream.kept).into_owned(),
        }
    }
}

/// Times of jobs.
#[derive(Serialize)]
struct Times {
    count: u64,
    sum_ns: u64,
    min_ns: u64,
    mean_ns: u64,
    p50_ns: u64,
    p90_ns: u64,
    p99_ns: u64,
    p999_ns: u64,
    max_ns: u64,
    /// First and last value in nanoseconds, and how many there were.
    buckets: Vec<(u64, u64, u32)>,
}

impl From<&Histogram> for Times {
    fn from(histogram: &Histogram) -> Self {
        Self {
            count: histogram.count(),
            sum_ns: histogram.sum_ns(),
            min_ns: histogram.min_ns(),
            mean_ns: histogram.mean_ns(),
            p50_ns: histogram.percentile_ns(500),
            p90_ns: histogram.percentile_ns(900),
            p99_ns: histogram.percentile_ns(990),
            p999_ns: histogram.percentile_ns(999),
            max_ns: histogram.max_ns(),
            buckets: histogram.buckets().collect(),
        }
    }
}

macro_rules! fields {
    ($($field:ident)*) => {
        /// A report with its fields by name.
        #[derive(Serialize)]
        struct Fields {
            class: &'static str,
            priority: u8,
            state: &'static str,
            $($field: u64,)*
            response: Times,
            jitter: Times,
            execution: Times,
        }

        impl From<&Report> for Fields {
            fn from(report: &Report) -> Self {
                Self {
                    class: report.class().name(),
                    priority: report.priority(),
                    state: report.state().name(),
                    $($field: report.$field(),)*
                    response: report.response().into(),
                    jitter: report.jitter().into(),
                    execution: report.execution().into(),
                }
            }
        }
    };
}

fields! {
    time_ns period_ns deadline_ns budget_ns releases completions skipped misses overruns throttled
    abandoned processor_ns cut_lateness_max_ns traps restarts exits dropped_output_bytes
    memory_high_bytes memory_max_bytes stack_high_bytes stack_bound_bytes
}

fn report<S: Serializer>(
    report: &Option<Box<Report>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let fields = report.as_deref().map(Fields::from);
    fields.serialize(serializer)
}

/// What an app did that it should not have.
fn problems(seen: &Seen) -> Vec<String> {
    let mut problems = Vec::new();
    if seen.refused.is_some() {
        problems.push("refused".to_owned());
    }
    let mut count = |number: u64, one: &str, more: &str| match number {
        0 => {}
        1 => problems.push(format!("1 {one}")),
        number => problems.push(format!("{number} {more}")),
    };
    let mut traps = seen.trap_count;
    if let Some(report) = &seen.report {
        traps = traps.max(report.traps());
        count(report.misses(), "missed deadline", "missed deadlines");
        count(report.skipped(), "skipped release", "skipped releases");
        count(report.overruns(), "overrun", "overruns");
    }
    count(traps, "trap", "traps");
    match seen.exit_code {
        None => problems.push("has not ended".to_owned()),
        Some(code) if code != 0 && problems.is_empty() => {
            problems.push(format!("exit code {code}"));
        }
        Some(_) => {}
    }
    if seen.damaged.is_some() {
        problems.push("a damaged report".to_owned());
    }
    problems
}

impl Result {
    /// Of these apps, and how the machine ended, if it came to that.
    pub fn new(apps: Vec<Seen>, outcome: Option<&Outcome>) -> Self {
        let app = |seen: Seen| App {
            problems: problems(&seen),
            name: seen.name,
            exit_code: seen.exit_code,
            refused: seen.refused,
            trap_count: seen.trap_count,
            traps: seen.traps,
            stdout: seen.stdout.into(),
            stderr: seen.stderr.into(),
            report: seen.report,
            damaged_report: seen.damaged,
        };
        Self {
            finished: outcome.is_some(),
            summary: outcome.map(|outcome| outcome.summary.trim_end().to_owned()),
            apps: apps.into_iter().map(app).collect(),
        }
    }

    /// What each app did that it should not have, one text an app.
    pub fn problems(&self) -> Vec<String> {
        let bad = self.apps.iter().filter(|app| !app.problems.is_empty());
        bad.map(|app| format!("{}: {}", app.name, app.problems.join(", ")))
            .collect()
    }
}

const HEADER: [&str; 17] = [
    "app", "class", "releases", "done", "missed", "skipped", "overruns", "traps", "restarts",
    "resp p50", "resp p99", "resp max", "jitter", "exec max", "memory", "stack", "exit",
];
const UNITS: [&str; 17] = [
    "", "", "", "", "", "", "", "", "", "us", "us", "us", "us max", "us", "bytes", "bytes", "",
];

fn row(app: &App) -> Vec<String> {
    let mut row = vec![app.name.clone()];
    match &app.report {
        Some(report) => row.extend(measured(report)),
        None => {
            row.extend(std::iter::repeat_n("-".to_owned(), HEADER.len() - 2));
            row[7] = app.trap_count.to_string();
        }
    }
    row.push(match (&app.refused, app.exit_code) {
        (Some(_), _) => "refused".to_owned(),
        (None, Some(code)) => code.to_string(),
        (None, None) => "-".to_owned(),
    });
    row
}

fn measured(report: &Report) -> Vec<String> {
    let time = |histogram: &Histogram, ns: u64| match histogram.count() {
        0 => "-".to_owned(),
        _ => microseconds(ns),
    };
    let (response, jitter, execution) = (report.response(), report.jitter(), report.execution());
    let mut row = vec![report.class().name().to_owned()];
    let timed = report.class() != Class::Background;
    let counts = [
        report.releases(),
        report.completions(),
        report.misses(),
        report.skipped(),
        report.overruns(),
    ];
    row.extend(counts.map(|count| match timed {
        true => count.to_string(),
        false => "-".to_owned(),
    }));
    row.extend([report.traps(), report.restarts()].map(|count| count.to_string()));
    row.extend([
        time(response, response.percentile_ns(500)),
        time(response, response.percentile_ns(990)),
        time(response, response.max_ns()),
        time(jitter, jitter.max_ns()),
        time(execution, execution.max_ns()),
        of(report.memory_high_bytes(), report.memory_max_bytes()),
        of(report.stack_high_bytes(), report.stack_bound_bytes()),
    ]);
    row
}

/// A high-water mark, and its limit where there is one.
fn of(high: u64, limit: u64) -> String {
    match limit {
        0 => high.to_string(),
        limit => format!("{high}/{limit}"),
    }
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(2, &HEADER);
        table.row(UNITS.map(str::to_owned).into());
        for app in &self.apps {
            table.row(row(app));
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::Watch;
    use super::*;
    use sel4_host::Events;

    fn json(watch: Watch) -> serde_json::Value {
        serde_json::to_value(Result::new(watch.finish(), None)).unwrap()
    }

    #[test]
    fn a_machine_that_was_stopped_is_shown_as_far_as_it_came() {
        let mut watch = Watch::new(vec!["a".into(), "b".into()], true, false);
        watch.stdout(0, b"no end of li");
        watch.stdout(0, b"ne \xff");
        watch.stderr(1, &vec![b'x'; 2 << 20]);
        watch.exit(1, 3);
        let found = json(watch);
        assert_eq!(found["finished"], false);
        assert_eq!(
            found["apps"][0]["stdout"]["text"],
            "no end of line \u{fffd}"
        );
        assert_eq!(found["apps"][0]["problems"][0], "has not ended");
        assert_eq!(found["apps"][1]["problems"][0], "exit code 3");
        // All of it is counted, the beginning kept.
        let stderr = &found["apps"][1]["stderr"];
        assert_eq!(stderr["bytes"], 2 << 20);
        assert_eq!(stderr["text"].as_str().unwrap().len(), 1 << 20);
    }

    #[test]
    fn what_nobody_announced_is_shown_as_well() {
        let mut watch = Watch::new(Vec::new(), true, false);
        watch.report(7, b"no report");
        for _ in 0..5 {
            watch.trap(7, "wasm trap: unreachable\n");
        }
        watch.refused(9, "app 9: no room\n");
        watch.exit(7, 0);
        watch.exit(9, 1);
        let found = json(watch);
        let app = &found["apps"][0];
        assert_eq!(app["name"], "app 7");
        assert_eq!(app["trap_count"], 5);
        assert_eq!(app["traps"].as_array().unwrap().len(), 3);
        assert_eq!(app["problems"][0], "5 traps");
        assert_eq!(app["problems"][1], "a damaged report");
        assert_eq!(found["apps"][1]["refused"], "no room");
        assert_eq!(found["apps"][1]["problems"][0], "refused");
    }
}
