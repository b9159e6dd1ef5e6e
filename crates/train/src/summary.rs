//! The end of a run in words.

use std::collections::BTreeMap;
use std::path::Path;

use mflag_core::progress::clock;
use mflag_core::run::METRICS;
use mflag_core::table::Table;
use serde_json::Value;

use crate::error::Result;
use crate::outcome::Outcome;

/// A table for the end of a run in the folder `run`: every metric before training, at the best epoch and at the last one, and
/// what the run took.
///
/// # Errors
/// If the run's metrics cannot be read.
pub fn summary(run: &Path, outcome: &Outcome) -> Result<String> {
    let counters = &outcome.counters;
    let best = counters.best.map_or(0, |best| best.epoch);
    let measured = validations(&run.join(METRICS))?;
    let heads = [
        "metric".into(),
        "untrained".into(),
        format!("best ({best})"),
        format!("last ({})", counters.epoch),
    ];
    let mut table = Table::new(&heads.each_ref().map(String::as_str));
    for (name, _) in &counters.latest {
        let value = |epoch: usize| {
            let value = measured
                .get(&epoch)
                .and_then(|line| line[name.as_str()].as_f64());
            value.map_or(String::new(), |v| format!("{v:.4}"))
        };
        table.row([name.clone(), value(0), value(best), value(counters.epoch)]);
    }
    let rate = outcome
        .samples_per_second
        .map_or(String::new(), |r| format!(", {r:.1} samples/s"));
    let memory = outcome.peak_memory.map_or(String::new(), |bytes| {
        format!(", peak memory {:.2} GiB", bytes as f64 / f64::from(1 << 30))
    });
    let time = clock(outcome.seconds as u64);
    Ok(format!(
        "{table}{} steps, {time} in this session{rate}{memory}\n",
        counters.step
    ))
}

/// The lines of validation in a file of metrics, by epoch.
fn validations(path: &Path) -> Result<BTreeMap<usize, Value>> {
    let text = std::fs::read_to_string(path).map_err(|e| mflag_core::Error::io("read", path, e))?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let validations = lines.filter(|line| line["kind"] == "validation");
    Ok(validations
        .filter_map(|line| Some((line["epoch"].as_u64()? as usize, line)))
        .collect())
}
