//! Files that may block, never end or have no bounds.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use mflag_input::{Capped, LINE, Limit, exceeds_limit, lines, map, open, read, read_text};

const SMALL: Limit = Limit {
    bytes: 4,
    what: "a test",
    advice: "make it smaller",
};

/// The message of opening `path`. Fails if that takes longer than a minute.
fn refusal(path: &Path) -> String {
    let (send, receive) = mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        let messages = [
            open(&path).unwrap_err(),
            read(&path, &SMALL).unwrap_err(),
            read_text(&path, &SMALL).unwrap_err(),
            map(&path).unwrap_err(),
        ]
        .map(|error| error.to_string());
        assert!(messages.iter().all(|m| *m == messages[0]), "{messages:?}");
        send.send(messages[0].clone()).unwrap();
    });
    receive.recv_timeout(Duration::from_secs(60)).unwrap()
}

#[test]
fn only_regular_files_are_opened_and_nothing_waits() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, what) in [
        (pipe.as_path(), "a pipe"),
        (&link, "a pipe"),
        (&socket, "a socket"),
        (dir.path(), "a folder"),
        (Path::new("/dev/zero"), "a device"),
    ] {
        let message = refusal(path);
        assert!(
            message.starts_with(&format!("it is {what}, not a regular file; ")),
            "{message}"
        );
    }
    let missing = open(&dir.path().join("absent")).unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "1234").unwrap();
    assert_eq!(read(file.path(), &SMALL).unwrap(), b"1234");
    std::fs::write(file.path(), "12345").unwrap();
    let error = read(file.path(), &SMALL).unwrap_err();
    assert!(exceeds_limit(&error));
    let message = error.to_string();
    assert!(message.contains("for a test; make it smaller"), "{message}");
    // The system says that this file has no bytes.
    assert!(exceeds_limit(
        &read(Path::new("/proc/self/status"), &SMALL).unwrap_err()
    ));
    std::fs::write(file.path(), b"ab\xff").unwrap();
    let message = read_text(file.path(), &SMALL).unwrap_err().to_string();
    assert!(message.contains("its byte 3 is not"), "{message}");
}

#[test]
fn a_stream_is_read_up_to_its_limit() {
    let mut text = String::new();
    Capped::new(&b"1234"[..], SMALL)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "1234");
    let mut endless = Capped::new(std::io::repeat(0), SMALL);
    assert!(exceeds_limit(
        &endless.read_to_end(&mut Vec::new()).unwrap_err()
    ));
    let mut refilled = Capped::new(&b"12345678"[..], SMALL);
    let mut part = [0; 4];
    refilled.read_exact(&mut part).unwrap();
    refilled.refill();
    refilled.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"5678");
}

#[test]
fn a_line_is_read_up_to_its_limit() {
    let read = |text: &'static str, limit| lines(BufReader::new(text.as_bytes()), limit);
    let all: Vec<String> = read("a\n\r\nb\r\nc", LINE).map(Result::unwrap).collect();
    assert_eq!(all, ["a", "", "b", "c"]);
    let mut long = read("abc\nabcde\nabc\n", SMALL);
    assert_eq!(long.next().unwrap().unwrap(), "abc");
    assert!(exceeds_limit(&long.next().unwrap().unwrap_err()));
    assert!(long.next().is_none());
    let endless = lines(BufReader::new(std::io::repeat(b'x')), LINE).next();
    assert!(exceeds_limit(&endless.unwrap().unwrap_err()));
}
