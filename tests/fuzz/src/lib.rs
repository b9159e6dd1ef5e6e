//! Feeds mutated files to everything that reads files.
//!
//! A folder of good files is made for each [`Format`], from the goldens and from
//! phantoms. Each input is one of these files, mutated by its number and a seed, so that it can be
//! made again. Reading it must end within [`TIME`], hold at most [`MEMORY`], and must not panic; an
//! error is a good answer.
//!
//! The test reads 10,000 inputs a format. For hours of it, run `./just fuzz`.

#![allow(clippy::panic, reason = "a program of the tests")]

mod allocations;
pub mod formats;
mod mutate;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use formats::Format;
use mutate::mutate;
use rand::Rng;

/// The most memory that the thread that reads an input may hold, in bytes.
pub const MEMORY: u64 = 256 << 20;
/// How long reading an input may take. Builds without optimisation on a busy machine need seconds
/// for the largest films.
pub const TIME: Duration = Duration::from_secs(60);
/// An error message of an input has at most this many bytes.
const MESSAGE: usize = 16 << 10;

/// Which inputs to read.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Seed of the mutations.
    pub seed: u64,
    /// Number of inputs.
    pub inputs: u64,
    /// Number of threads.
    pub threads: usize,
}

/// What was found with a format.
#[derive(Debug, Default)]
pub struct Findings {
    /// Inputs that were read without an error.
    pub accepted: u64,
    /// The most memory of an input, in bytes.
    pub memory: u64,
    /// The longest time of an input.
    pub time: Duration,
    /// What was wrong, with the file that holds the input.
    pub faults: Vec<String>,
}

/// An input in progress.
#[derive(Debug)]
struct Running {
    since: Instant,
    file: PathBuf,
}

/// Reads mutated inputs of a format. Inputs with a fault are kept in `faults`.
///
/// # Panics
/// If the folder of good files cannot be made, or none of them is read without an error.
pub fn fuzz(format: &Format, options: Options, faults: &Path) -> Findings {
    let next = AtomicU64::new(0);
    let findings = Mutex::new(Findings::default());
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| read_inputs(format, options, &next, faults, &findings));
        }
    });
    findings.into_inner().unwrap_or_default()
}

/// Reads inputs in a folder of its own, until all are read.
fn read_inputs(
    format: &Format,
    options: Options,
    next: &AtomicU64,
    faults: &Path,
    findings: &Mutex<Findings>,
) {
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{}: {e}", format.name));
    let files = (format.fill)(folder.path()).unwrap_or_else(|e| panic!("{}: {e}", format.name));
    let seeds: Vec<Vec<u8>> = files
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .collect();
    assert_eq!(seeds.len(), files.len(), "{}", format.name);
    let good = files
        .iter()
        .filter(|file| (format.read)(folder.path(), file).is_ok());
    assert!(good.count() > 0, "{}: no seed is read", format.name);
    let running = Mutex::new(None);
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(format, &running, &done));
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.inputs {
                break;
            }
            let mut random = mflag_core::seed::rng(options.seed, 0, number);
            let chosen = random.random_range(0..files.len());
            let other = random.random_range(0..files.len());
            let file = &files[chosen];
            let input = mutate(&mut random, &seeds[chosen], &seeds[other]);
            if fs::write(file, &input).is_err() {
                continue;
            }
            set(
                &running,
                Some(Running {
                    since: Instant::now(),
                    file: file.clone(),
                }),
            );
            let found = read(format, folder.path(), file);
            set(&running, None);
            if let Ok(mut findings) = findings.lock() {
                findings.add(format, number, file, &input, &found, faults);
            }
            let _ = fs::write(file, &seeds[chosen]);
        }
        done.store(1, Ordering::Relaxed);
        watch.thread().unpark();
    });
}

fn set(running: &Mutex<Option<Running>>, input: Option<Running>) {
    if let Ok(mut running) = running.lock() {
        *running = input;
    }
}

/// What reading an input came to.
struct Found {
    memory: u64,
    time: Duration,
    /// The message of an error.
    message: Option<String>,
    panic: Option<String>,
}

fn read(format: &Format, folder: &Path, file: &Path) -> Found {
    allocations::start();
    let start = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| {
        (format.read)(folder, file).map_err(|error| error.to_string())
    }));
    let (time, memory) = (start.elapsed(), allocations::peak());
    let (message, panic) = match answer {
        Ok(answer) => (answer.err(), None),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            (None, Some(text.unwrap_or_default()))
        }
    };
    Found {
        memory,
        time,
        message,
        panic,
    }
}

impl Findings {
    fn add(
        &mut self,
        format: &Format,
        number: u64,
        file: &Path,
        input: &[u8],
        found: &Found,
        faults: &Path,
    ) {
        let mut wrong = Vec::new();
        if let Some(panic) = &found.panic {
            wrong.push(format!("panics: {panic}"));
        }
        if found.memory > MEMORY {
            wrong.push(format!("takes {} MiB", found.memory >> 20));
        }
        if found.time > TIME {
            wrong.push(format!("takes {:?}", found.time));
        }
        if let Some(message) = found.message.as_ref().filter(|m| m.len() > MESSAGE) {
            wrong.push(format!("has a message of {} bytes", message.len()));
        }
        if !wrong.is_empty() {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let kept = faults.join(format!("{}-{number}-{name}", format.name));
            let _ = fs::create_dir_all(faults).and_then(|()| fs::write(&kept, input));
            self.faults
                .push(format!("{}: {}", kept.display(), wrong.join("; ")));
        }
        self.accepted += u64::from(found.message.is_none() && found.panic.is_none());
        self.memory = self.memory.max(found.memory);
        self.time = self.time.max(found.time);
    }
}

/// Ends the process if an input hangs. Its file stays.
fn watch(format: &Format, running: &Mutex<Option<Running>>, done: &AtomicU64) {
    while done.load(Ordering::Relaxed) == 0 {
        std::thread::park_timeout(Duration::from_secs(1));
        let Ok(mut running) = running.lock() else {
            return;
        };
        let hangs = running.take_if(|running| running.since.elapsed() > 4 * TIME);
        if let Some(hangs) = hangs {
            eprintln!("{}: {} hangs", format.name, hangs.file.display());
            std::process::exit(1);
        }
    }
}
