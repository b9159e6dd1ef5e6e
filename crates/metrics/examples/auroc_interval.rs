//! AUROC with its 95 % interval from two vectors: scores, and whether each sample is positive.
//!
//! Run it with `cargo run -p mflag-metrics --example auroc_interval`.

use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_metrics::classification::Ranking;

fn main() -> mflag_metrics::Result<()> {
    let scores = [0.91, 0.84, 0.73, 0.66, 0.52, 0.47, 0.38, 0.31, 0.22, 0.15];
    let positive = [
        true, true, false, true, true, false, true, false, false, false,
    ];
    // Films of one patient are resampled together.
    let patients = Patients::new(&["a", "a", "b", "c", "d", "e", "f", "g", "g", "h"]);

    let ranking = Ranking::new(&scores, &positive.map(Some))?;
    let interval = Bootstrap::default().interval(&patients, |counts| ranking.auroc(counts))?;
    match interval {
        Some(auroc) => println!(
            "AUROC {:.3}, 95 % interval {:.3} to {:.3}",
            auroc.estimate, auroc.low, auroc.high
        ),
        None => println!("AUROC is undefined: it needs positive and negative samples"),
    }
    Ok(())
}
