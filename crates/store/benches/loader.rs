//! Times the loader on the films of a store: `loader STORE SIDE CONFIG` makes views of SIDE pixels
//! on one thread, with the section `augment` of CONFIG (YAML), or only cut at random without it.
//! Each line of standard input is a number of epochs to time; for each line, prints a line of JSON,
//! as `benches/common.py` expects.
#![allow(missing_docs, reason = "a benchmark")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mflag_core::config;
use mflag_film::ViewGeometry;
use mflag_store::Store;
use mflag_store::augment::Augment;
use mflag_store::loader::{Epoch, Loader, Options, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let mut word = || words.next().ok_or("loader STORE SIDE [CONFIG]");
    let store = Arc::new(Store::open(Path::new(&word()?))?);
    let side: u32 = word()?.parse()?;
    let augment = match word() {
        Ok(file) => {
            let stated = config::stated(Path::new(&file), &[])?;
            serde_json::from_value(stated["augment"].clone())?
        }
        Err(_) => Augment {
            crop: true,
            ..Augment::default()
        },
    };
    let films: Vec<usize> = (0..store.records().len()).collect();
    let options = Options {
        view: ViewGeometry::new(store.side(), store.side(), side)?,
        batch_size: 32,
        full_only: false,
        threads: 1,
        prefetch: 2,
    };
    let loader = Loader::new(store, &films, options)?;
    let (mut line, mut epoch) = (String::new(), 0);
    while std::io::stdin().read_line(&mut line)? > 0 {
        let mut seconds = Vec::new();
        for _ in 0..line.trim().parse::<usize>()? {
            let begin = Instant::now();
            let order = Epoch {
                augment: &augment,
                seed: 0,
                epoch,
                first_batch: 0,
            };
            for batch in loader.shuffled(Source::Pixels, &order, |_, _| ()) {
                std::hint::black_box(batch?);
            }
            seconds.push(begin.elapsed().as_secs_f64());
            epoch += 1;
        }
        println!(
            "{}",
            serde_json::json!({"seconds": seconds, "films": films.len()})
        );
        line.clear();
    }
    Ok(())
}
