// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Commands about apps that there are, and about the loader.

use crate::failure::Failure;
use crate::session::{Session, strange};
use serde_json::{Value, json};
use wasm_aot_protocol::message::{AppInfo, Body, Exit, HistoryEntry, Request};
use wasm_aot_trust::Hex;

/// How an app has ended, in a word.
fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Trap(number) => format!("trap {number}"),
        Exit::Killed => "killed".into(),
        Exit::Stopped => "stopped".into(),
    }
}

/// What an app is doing, or how it has ended.
pub fn state(app: &AppInfo<'_>) -> String {
    let mut text = match app.exit {
        Some(exit) if !app.state.is_alive() => ended(exit),
        _ => app.state.name().into(),
    };
    if app.probation {
        text += " (probation)";
    }
    text
}

fn info(app: &AppInfo<'_>) -> Value {
    json!({
        "app": app.id.to_string(), "name": app.name, "version": app.version,
        "sha256": Hex(&app.object).to_string(), "state": app.state.name(),
        "exit": app.exit.map(ended), "class": class(app.class), "period_us": app.period_us,
        "deadline_us": app.deadline_us, "budget_us": app.budget_us, "releases": app.releases,
        "misses": app.misses, "overruns": app.overruns, "restarts": app.restarts,
        "memory_bytes": app.memory_bytes, "up_ns": app.up_ns, "probation": app.probation,
    })
}

/// The name of a class.
fn class(number: u8) -> &'static str {
    ["background", "server", "periodic"]
        .get(usize::from(number))
        .unwrap_or(&"unknown")
}

/// `ps`.
pub fn list(session: &mut Session, as_json: bool) -> Result<u8, Failure> {
    if as_json {
        let mut all = Vec::new();
        session.apps(|app| all.push(info(app)))?;
        println!("{}", Value::from(all));
        return Ok(0);
    }
    let mut rows = Vec::new();
    session.apps(|app| {
        rows.push(format!(
            "{:8} {:20} {:>10} {:16} {:>10} {:>10} {:>8} {:>8} {:>10}  {:.12}",
            app.id.to_string(),
            app.name,
            app.version,
            state(app),
            app.period_us,
            app.releases,
            app.misses,
            app.overruns,
            app.memory_bytes / 1024,
            Hex(&app.object).to_string(),
        ));
    })?;
    let [app, name, version, state] = ["app", "name", "version", "state"];
    let [period, releases, misses] = ["period us", "releases", "misses"];
    let [overruns, memory, hash] = ["overruns", "KiB", "sha256"];
    println!(
        "{app:8} {name:20} {version:>10} {state:16} {period:>10} {releases:>10} {misses:>8} \
         {overruns:>8} {memory:>10}  {hash}"
    );
    rows.iter().for_each(|row| println!("{row}"));
    Ok(0)
}

/// `history`.
pub fn history(session: &mut Session, name: &str, as_json: bool) -> Result<u8, Failure> {
    let app = session.find(name)?;
    let mut all = Vec::new();
    loop {
        let skip = all.len() as u32;
        let reply = session.ask(&Request::History { app, skip })?;
        let Body::History { entries, more } = reply.body()? else {
            return Err(strange());
        };
        let before = all.len();
        all.extend(entries.iter::<HistoryEntry<'_>>().map(|entry| {
            json!({
                "version": entry.version, "sha256": Hex(&entry.object).to_string(),
                "at_ns": entry.at_ns, "outcome": entry.outcome,
            })
        }));
        if !more || all.len() == before {
            break;
        }
    }
    if as_json {
        println!("{}", Value::from(all));
        return Ok(0);
    }
    for entry in &all {
        let seconds = entry["at_ns"].as_f64().unwrap_or(0.0) / 1e9;
        println!(
            "version {:>10}  {seconds:12.3} s  {:.12}  {}",
            entry["version"],
            entry["sha256"].as_str().unwrap_or_default(),
            entry["outcome"].as_str().unwrap_or_default()
        );
    }
    Ok(0)
}

/// `status`.
pub fn status(session: &mut Session, as_json: bool) -> Result<u8, Failure> {
    let loader = session.loader()?.clone();
    let reply = session.ask(&Request::Status)?;
    let Body::Status { status } = reply.body()? else {
        return Err(strange());
    };
    let link = session.client.counters();
    if as_json {
        let report = json!({
            "loader": loader.name, "boot": format!("{:016x}", loader.boot),
            "max_object_bytes": loader.max_object_bytes, "unsigned": loader.unsigned,
            "up_ns": status.up_ns, "free_bytes": status.free_bytes,
            "total_bytes": status.total_bytes, "apps": status.apps, "places": status.places,
            "policy": status.policy, "utilisation_ppm": status.utilisation_ppm,
            "link": {
                "received": link.received, "damaged": link.damaged, "strange": link.strange,
                "unexpected": link.unexpected, "repeated": link.repeated,
            },
        });
        println!("{report}");
        return Ok(0);
    }
    println!(
        "loader       {}, up {:.1} s",
        loader.name,
        status.up_ns as f64 / 1e9
    );
    println!("apps         {} of {}", status.apps, status.places);
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "memory       {} of {} MiB free",
        mib(status.free_bytes),
        mib(status.total_bytes)
    );
    let percent = f64::from(status.utilisation_ppm) / 10_000.0;
    println!("scheduling   {}, {percent:.2} % promised", status.policy);
    let unsigned = match loader.unsigned {
        true => "may be unsigned",
        false => "must be signed",
    };
    println!(
        "objects      {unsigned}, at most {} KiB",
        loader.max_object_bytes >> 10
    );
    println!(
        "link         {} frames damaged, {} messages repeated",
        link.damaged, link.repeated
    );
    Ok(0)
}
