//! TensorBoard event files: records of protobuf messages, each with its length and masked CRC-32C.
//!
//! Formats: TensorFlow's `core/lib/io/record_writer.h`, `core/util/event.proto` and
//! `core/framework/summary.proto`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::error::Result;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SessionLog.START`: TensorBoard ignores the events of earlier files at this step and later ones.
const START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// One event file. A resumed run begins another file, and TensorBoard joins the files by their
/// steps.
#[derive(Debug)]
pub(super) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// Creates a file in `folder` for a session that begins after `step` steps.
    pub(super) fn create(folder: &Path, step: u64) -> Result<Events> {
        let now = seconds();
        // Microseconds give two sessions of one process different names, in order.
        let name = format!(
            "events.out.tfevents.{now:017.6}.{}.mflag",
            std::process::id()
        );
        let path = folder.join(name);
        let file = File::create(&path).map_err(|e| mflag_core::Error::io("create", &path, e))?;
        let mut events = Events { path, file };
        let version = Some("brain.Event:2".to_owned());
        events.write(&Event {
            wall_time: now,
            file_version: version,
            ..Event::default()
        })?;
        if step > 0 {
            events.write(&Event {
                wall_time: now,
                step: signed(step + 1),
                session_log: Some(SessionLog { status: START }),
                ..Event::default()
            })?;
        }
        Ok(events)
    }

    /// Writes `<kind>/<name>` for each metric.
    pub(super) fn scalars(
        &mut self,
        kind: &str,
        step: u64,
        metrics: &[(String, f64)],
    ) -> Result<()> {
        let scalar = |(name, value): &(String, f64)| Scalar {
            tag: format!("{kind}/{name}"),
            simple_value: Some(*value as f32),
        };
        let summary = Some(Summary {
            value: metrics.iter().map(scalar).collect(),
        });
        self.write(&Event {
            wall_time: seconds(),
            step: signed(step),
            summary,
            ..Event::default()
        })
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        let written = self.file.write_all(&record(&event.encode_to_vec()));
        Ok(written.map_err(|e| mflag_core::Error::io("write", &self.path, e))?)
    }
}

fn signed(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

fn seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// A record: the length of the data, the CRC of the length, the data, the CRC of the data.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// TensorFlow rotates and shifts each CRC, because the CRC of data that contain CRCs is weak.
fn masked(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
        .to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden is what `tensorboard.summary.writer.record_writer.RecordWriter` writes for
    /// `Event(wall_time=1.5, step=7, summary=…(tag="train/loss", simple_value=0.25))`.
    #[test]
    fn a_record_equals_that_of_tensorboard() {
        let scalar = Scalar {
            tag: "train/loss".into(),
            simple_value: Some(0.25),
        };
        let summary = Some(Summary {
            value: vec![scalar],
        });
        let event = Event {
            wall_time: 1.5,
            step: 7,
            summary,
            ..Event::default()
        };
        let hex: String = record(&event.encode_to_vec())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let golden = "200000000000000029eda95009000000000000f83f10072a130a110a0a747261696e2f6c6f7373150000803ef4985d1a";
        assert_eq!(hex, golden);
    }
}
