//! Progress of a long job: a bar on a terminal, else a log line every few seconds.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two log lines if standard error is not a terminal.
const EVERY: Duration = Duration::from_secs(10);

/// The progress of a job. Threads can share it.
#[derive(Debug)]
pub struct Progress {
    label: String,
    unit: String,
    total: u64,
    done: AtomicU64,
    /// Units that an earlier process has done. They do not count for the rate.
    before: AtomicU64,
    begin: Instant,
    last_line: Mutex<Instant>,
    /// Shown after the progress.
    message: Mutex<String>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins a job of `total` units, such as films.
    pub fn new(label: &str, total: u64, unit: &str) -> Progress {
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| bar(label, total, unit));
        let now = Instant::now();
        Progress {
            label: label.to_owned(),
            unit: unit.to_owned(),
            total,
            done: AtomicU64::new(0),
            before: AtomicU64::new(0),
            begin: now,
            last_line: Mutex::new(now),
            message: Mutex::default(),
            bar,
        }
    }

    /// Counts `n` units that an earlier process has done.
    pub fn resume_at(&self, n: u64) {
        self.before.fetch_add(n, Ordering::Relaxed);
        self.done.fetch_add(n, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.load(Ordering::Relaxed));
            bar.reset_eta();
        }
    }

    /// Counts `n` more units.
    pub fn inc(&self, n: u64) {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        match &self.bar {
            Some(bar) => bar.inc(n),
            None => self.log_sometimes(done),
        }
    }

    /// Shows a short text after the progress, from now on.
    pub fn message(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
        text.clone_into(&mut self.message.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the job: removes the bar and logs a summary.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        tracing::info!("{}", self.line(self.done.load(Ordering::Relaxed)));
    }

    /// Logs a line if the latest is some seconds old. The last line is that of
    /// [`Progress::finish`].
    fn log_sometimes(&self, done: u64) {
        let Ok(mut last) = self.last_line.try_lock() else {
            return;
        };
        if done < self.total && last.elapsed() >= EVERY {
            *last = Instant::now();
            tracing::info!("{}", self.line(done));
        }
    }

    fn line(&self, done: u64) -> String {
        let own = done.saturating_sub(self.before.load(Ordering::Relaxed));
        let Progress {
            label, total, unit, ..
        } = self;
        let line = describe(label, done, *total, unit, own, self.begin.elapsed());
        match &*self.message.lock().unwrap_or_else(PoisonError::into_inner) {
            message if message.is_empty() => line,
            message => format!("{line}; {message}"),
        }
    }
}

fn bar(label: &str, total: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
    let template = format!(
        "{{prefix:>14}} [{{wide_bar}}] {{human_pos}}/{{human_len}} {unit} {{per_sec:.1}} {{eta}} \
         left {{msg}}"
    );
    let style = ProgressStyle::with_template(&template);
    bar.set_style(style.unwrap_or(ProgressStyle::default_bar()));
    bar.set_prefix(label.to_owned());
    bar
}

/// Formats progress as `prepare: 50/200 films, 10.0 films/s, 15s left`. This process has done `own`
/// units in `elapsed`.
fn describe(label: &str, done: u64, total: u64, unit: &str, own: u64, elapsed: Duration) -> String {
    let rate = own as f64 / elapsed.as_secs_f64().max(1e-3);
    let end = if done >= total || own == 0 {
        format!("in {}", clock(elapsed.as_secs()))
    } else {
        format!("{} left", clock(((total - done) as f64 / rate) as u64))
    };
    format!("{label}: {done}/{total} {unit}, {rate:.1} {unit}/s, {end}")
}

/// Formats seconds as `42s`, `3m 05s` or `2h 07m`.
pub fn clock(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_and_the_time_left() {
        let line = describe("prepare", 50, 200, "films", 50, Duration::from_secs(5));
        assert_eq!(line, "prepare: 50/200 films, 10.0 films/s, 15s left");
        // Films of an earlier process do not count for the rate.
        let line = describe("prepare", 150, 200, "films", 50, Duration::from_secs(5));
        assert_eq!(line, "prepare: 150/200 films, 10.0 films/s, 5s left");
        let line = describe("prepare", 200, 200, "films", 200, Duration::from_secs(65));
        assert_eq!(line, "prepare: 200/200 films, 3.1 films/s, in 1m 05s");
    }

    #[test]
    fn a_message_follows_the_line() {
        let progress = Progress::new("x", 8, "films");
        progress.message("loss 0.5");
        let line = progress.line(0);
        assert!(line.ends_with("; loss 0.5"), "{line}");
    }

    #[test]
    fn threads_can_share_it() {
        let progress = Progress::new("x", 8, "films");
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| progress.inc(1));
            }
        });
        assert_eq!(progress.done.load(Ordering::Relaxed), 8);
        progress.finish();
    }
}
