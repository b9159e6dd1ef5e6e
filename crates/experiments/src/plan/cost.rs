//! The cost of runs.

use mflag_core::Result;
use mflag_core::progress::clock;

use crate::job::{Job, JobState};

/// How many runs are done, and what the others will cost.
#[derive(Default)]
pub(super) struct Cost {
    all: usize,
    done: usize,
    started: usize,
    /// Film passes of the runs that are not done; `None` if one of them is unknown.
    passes_left: Option<u64>,
    /// Time and film passes of the runs that are done.
    seconds: f64,
    passes_done: u64,
}

impl Cost {
    /// Adds up the cost of jobs.
    pub(super) fn of<'a>(jobs: impl Iterator<Item = &'a Job>) -> Result<Cost> {
        let mut cost = Cost {
            passes_left: Some(0),
            ..Cost::default()
        };
        for job in jobs {
            cost.all += 1;
            match job.state()? {
                JobState::Done(seconds) => {
                    cost.done += 1;
                    cost.seconds += seconds;
                    cost.passes_done += job.passes.unwrap_or(0);
                }
                state => {
                    cost.started += usize::from(state == JobState::Started);
                    cost.passes_left = cost.passes_left.zip(job.passes).map(|(a, b)| a + b);
                }
            }
        }
        Ok(cost)
    }

    /// The row of a table. The time left is proportional to the film passes, which take most of the
    /// time. The estimate is too low if finished runs had stopped early.
    pub(super) fn row(&self, name: &str) -> [String; 6] {
        let time = match (self.passes_left, self.passes_done) {
            (Some(0), _) => "none".to_owned(),
            (Some(left), 1..) => {
                let seconds = self.seconds / self.passes_done as f64 * left as f64;
                format!("about {}", clock(seconds.ceil() as u64))
            }
            _ => "unknown until one run is done".to_owned(),
        };
        let passes = self.passes_left;
        [
            name.to_owned(),
            self.all.to_string(),
            self.done.to_string(),
            self.started.to_string(),
            passes.map_or("unknown".to_owned(), |p| p.to_string()),
            time,
        ]
    }
}
