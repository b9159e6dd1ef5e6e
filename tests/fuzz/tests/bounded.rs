//! 10,000 mutated inputs of each format.

use std::path::Path;

use mflag_fuzz::formats::FORMATS;
use mflag_fuzz::{Options, fuzz};

#[test]
fn no_mutated_file_panics_hangs_or_takes_much_memory() {
    let kept = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/fuzz"));
    let mut faults = Vec::new();
    for format in FORMATS {
        let options = Options {
            seed: 0,
            inputs: 10_000,
            threads: 2,
        };
        let start = std::time::Instant::now();
        let found = fuzz(&format, options, kept);
        println!(
            "{}: {:.0} s, {} accepted, at most {} MiB and {:.1} s",
            format.name,
            start.elapsed().as_secs_f64(),
            found.accepted,
            found.memory >> 20,
            found.time.as_secs_f64(),
        );
        // Mutations that leave nothing readable test only the first lines of a reader.
        assert!(found.accepted > 10, "{}: {}", format.name, found.accepted);
        faults.extend(found.faults);
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
