//! Prints the result of a training session.

use std::collections::BTreeMap;
use std::path::Path;

use mflag_core::output::Output;
use mflag_core::progress::clock;
use mflag_core::run::METRICS;
use mflag_core::table::Table;
use serde_json::Value;

use crate::error::Result;
use crate::fit_result::FitResult;

/// Prints the metrics of the run in the folder `run` before training, at the best epoch and at the
/// last epoch, and what the session cost.
pub(crate) fn print_result(run: &Path, result: &FitResult, out: &mut Output) -> Result<()> {
    let validations = read_validations(&run.join(METRICS))?;
    let text = format!("{}{}\n", metrics_table(&validations, result), cost(result));
    out.say("training", result.json(), text);
    Ok(())
}

/// Prints the command that resumes a run whose training is not complete.
pub(crate) fn print_resume_command(program: &str, run: &Path, out: &Output) {
    let run = run.display();
    out.remark(format!(
        "training is not complete; resume it: {program} train --resume --run {run}\n"
    ));
}

fn metrics_table(validations: &BTreeMap<usize, Value>, result: &FitResult) -> Table {
    let last = result.state.epoch;
    let best = result.state.best.map(|best| best.epoch);
    let best_head = best.map_or("no best epoch".to_owned(), |best| format!("best ({best})"));
    let last_head = format!("last ({last})");
    let mut table = Table::new(&["metric", "untrained", &best_head, &last_head]);
    for (name, _) in &result.state.latest {
        let value = |epoch: usize| {
            let line = validations.get(&epoch);
            let value = line.and_then(|line| line[name.as_str()].as_f64());
            value.map_or(String::new(), |v| format!("{v:.4}"))
        };
        let at_best = best.map_or(String::new(), value);
        table.row([name.clone(), value(0), at_best, value(last)]);
    }
    table
}

fn cost(result: &FitResult) -> String {
    let rate = result
        .samples_per_second
        .map_or(String::new(), |r| format!(" ({r:.1} samples/s)"));
    let memory = result.peak_memory.map_or(String::new(), |bytes| {
        format!("; peak memory {:.2} GiB", bytes as f64 / f64::from(1 << 30))
    });
    let (time, training) = (result.seconds, result.training_seconds);
    let [time, training] = [time, training].map(|seconds| clock(seconds.round() as u64));
    format!(
        "{} steps; this session took {time}: {} steps in {training}{rate}, the rest for validation \
         and files{memory}",
        result.state.step, result.steps
    )
}

/// The validation lines of a metrics file, by epoch.
fn read_validations(path: &Path) -> Result<BTreeMap<usize, Value>> {
    let text = mflag_input::read_text(path, &mflag_input::METRICS)
        .map_err(|e| mflag_core::Error::io("read", path, e))?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let validations = lines.filter(|line| line["kind"] == "validation");
    Ok(validations
        .filter_map(|line| Some((line["epoch"].as_u64()? as usize, line)))
        .collect())
}
