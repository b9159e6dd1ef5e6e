//! The TensorBoard events of a run, record by record.

use mflag_train::TrainerConfig;
use prost::Message;

use crate::toy::{CLOCKS, Settings, alone, config, finished, metrics, run};

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

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// CRC-32C (Castagnoli), bit by bit, rotated and shifted as TensorFlow stores it.
fn masked_crc(data: &[u8]) -> u32 {
    let crc = !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 * (crc & 1))
        })
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn read(mut bytes: &[u8]) -> Vec<Event> {
    let mut take = |n: usize| {
        let (head, rest) = bytes.split_at(n);
        bytes = rest;
        (head, rest.is_empty())
    };
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let mut events = Vec::new();
    loop {
        let (length, _) = take(8);
        assert_eq!(number(take(4).0), masked_crc(length));
        let (data, _) = take(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (crc, end) = take(4);
        assert_eq!(number(crc), masked_crc(data));
        events.push(Event::decode(data).unwrap());
        if end {
            return events;
        }
    }
}

/// The events of each session, in the order of their files' names.
fn sessions(folder: &std::path::Path) -> Vec<Vec<Event>> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.to_str().unwrap().contains("tfevents"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| read(&std::fs::read(file).unwrap()))
        .collect()
}

#[test]
fn events_equal_the_lines_of_metrics() {
    let _alone = alone();
    let stopped = TrainerConfig {
        stop_after_steps: Some(4),
        ..config(3)
    };
    let (_, folder) = finished(&Settings::default(), &stopped);
    run(&Settings::default(), &config(3), folder.path()).unwrap();
    let sessions = sessions(folder.path());
    assert_eq!(sessions.len(), 2);
    for session in &sessions {
        assert_eq!(session[0].file_version.as_deref(), Some("brain.Event:2"));
        assert!(session.windows(2).all(|w| w[0].wall_time <= w[1].wall_time));
    }
    // The second session states its first step, so that TensorBoard ignores later events of the
    // first.
    let begin = &sessions[1][1];
    assert_eq!(
        (begin.step, begin.session_log.as_ref().unwrap().status),
        (5, 1)
    );

    let written = sessions
        .iter()
        .flatten()
        .filter_map(|e| Some((e.step, e.summary.clone()?)));
    let written: Vec<(i64, Summary)> = written.collect();
    let lines = metrics(folder.path());
    assert_eq!(written.len(), lines.len());
    for ((step, summary), line) in written.iter().zip(&lines) {
        assert_eq!(line["step"], *step);
        let kind = line["kind"].as_str().unwrap();
        for Scalar { tag, simple_value } in &summary.value {
            let name = tag.strip_prefix(&format!("{kind}/")).unwrap();
            if !CLOCKS.contains(&name) {
                let golden = line[name].as_f64().unwrap() as f32;
                assert_eq!(*simple_value, Some(golden), "{tag} at {step}");
            }
        }
    }
}
