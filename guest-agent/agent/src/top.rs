// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-agent top`: response times and missed deadlines, as they happen.

use crate::apps::state;
use crate::failure::Failure;
use crate::session::Session;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use wasm_aot_protocol::message::{AppId, Body, Request};
use wasm_aot_schedule::Report;

/// Show the apps' response times and missed deadlines, again and again.
#[derive(Args)]
pub struct Top {
    /// How often, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    period: u32,
    /// End after so many times.
    #[arg(long, value_name = "NUMBER")]
    times: Option<u64>,
}

/// What is shown of a report; times in microseconds.
struct Row {
    response_median_us: f64,
    response_99_us: f64,
    response_max_us: f64,
    jitter_max_us: f64,
    misses: u64,
    overruns: u64,
}

impl Row {
    fn read(record: &[u8]) -> Option<Self> {
        let report = Report::parse(record).ok()?;
        let us = |ns: u64| ns as f64 / 1000.0;
        Some(Self {
            response_median_us: us(report.response().percentile_ns(500)),
            response_99_us: us(report.response().percentile_ns(990)),
            response_max_us: us(report.response().max_ns()),
            jitter_max_us: us(report.jitter().max_ns()),
            misses: report.misses(),
            overruns: report.overruns(),
        })
    }
}

pub fn main(session: &mut Session, top: &Top, as_json: bool) -> Result<u8, Failure> {
    let id = session.call(&Request::Top {
        period_ms: top.period,
    })?;
    let mut rows = BTreeMap::new();
    let mut round = 0;
    let ended = loop {
        // A round is over when an app comes for the second time.
        let next = session.until(|session| {
            let Some(reply) = session.client.take(id) else {
                return Ok(None);
            };
            match reply.body()? {
                Body::Report { app, record } => Ok(Some((app, Row::read(record.0)))),
                _ => Err(crate::session::strange()),
            }
        });
        let (app, row) = match next {
            Ok(next) => next,
            Err(failure) => break failure,
        };
        if rows.contains_key(&app) {
            show(session, &rows, as_json)?;
            rows.clear();
            round += 1;
            if top.times.is_some_and(|times| round >= times) {
                session.client.forget(id);
                session.ask(&Request::Cancel { id })?;
                return Ok(0);
            }
        }
        rows.insert(app, row);
    };
    match ended {
        Failure::Interrupted => Ok(0),
        other => Err(other),
    }
}

fn show(
    session: &mut Session,
    rows: &BTreeMap<AppId, Option<Row>>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut values = Vec::new();
    session.apps(|app| {
        let row = rows.get(&app.id).and_then(Option::as_ref);
        let number = |field: fn(&Row) -> f64| row.map(field);
        let text = |field: fn(&Row) -> f64| {
            number(field).map_or("-".into(), |number| format!("{number:.1}"))
        };
        values.push(json!({
            "app": app.id.to_string(), "name": app.name, "state": app.state.name(),
            "releases": app.releases,
            "misses": row.map_or(app.misses, |row| row.misses),
            "overruns": row.map_or(app.overruns, |row| row.overruns),
            "response_median_us": number(|row| row.response_median_us),
            "response_99_us": number(|row| row.response_99_us),
            "response_max_us": number(|row| row.response_max_us),
            "jitter_max_us": number(|row| row.jitter_max_us),
        }));
        lines.push(format!(
            "{:20} {:16} {:>10} {:>8} {:>8} {:>12} {:>12} {:>12} {:>12}",
            app.name,
            state(app),
            app.releases,
            row.map_or(app.misses, |row| row.misses),
            row.map_or(app.overruns, |row| row.overruns),
            text(|row| row.response_median_us),
            text(|row| row.response_99_us),
            text(|row| row.response_max_us),
            text(|row| row.jitter_max_us),
        ));
    })?;
    let mut out = stdout().lock();
    if as_json {
        writeln!(out, "{}", serde_json::Value::from(values))?;
        return Ok(out.flush()?);
    }
    if out.is_terminal() {
        // Home, and clear what was there.
        write!(out, "\x1b[H\x1b[2J")?;
    }
    writeln!(
        out,
        "{:20} {:16} {:>10} {:>8} {:>8} {:>12} {:>12} {:>12} {:>12}",
        "name",
        "state",
        "releases",
        "misses",
        "overruns",
        "median us",
        "99 % us",
        "max us",
        "jitter us"
    )?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}
