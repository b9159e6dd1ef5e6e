//! Runs the example service with a trained classification head.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mflag_tests::heads::Trial;
use mflag_tests::programs::{fail, program, succeed};
use mflag_tests::service::{Service, answer};

/// A short run; the quality of its predictions does not matter.
static TRIAL: Trial = Trial {
    program: "mflag-classify",
    configs: "classification",
    phantom: &["chexpert", "--films", "60", "--side", "96"],
    prepare: &[
        "chexpert",
        "--side",
        "64",
        "--split",
        "patient",
        "--validate",
        "0.3",
    ],
    config: "strict-chexpert",
    sets: &[
        "data.side=64",
        "data.resize=64",
        "encoder.arch=resnet18",
        "train.epochs=2",
        "train.device=cpu",
        "train.precision=fp32",
    ],
    says: &[],
    folder: OnceLock::new(),
    whole: OnceLock::new(),
};

/// Predictions of the run on two films, made on first use.
static PREDICTED: OnceLock<PathBuf> = OnceLock::new();

fn predicted() -> &'static Path {
    PREDICTED.get_or_init(|| TRIAL.predict_three_and_a_bad_one())
}

/// Returns one of the two films.
fn film() -> Vec<u8> {
    std::fs::read(predicted().with_file_name("mixed").join("a.png")).unwrap()
}

fn service(more: &[&str]) -> Service {
    let mut command = program("mflag-service");
    command.arg("--model").arg(TRIAL.whole());
    Service::start(command.args(["--listen", "127.0.0.1:0"]).args(more))
}

fn signal(service: &Service, name: &str) {
    let process = service.process().to_string();
    succeed(Command::new("kill").args(["-s", name, &process]));
}

#[test]
fn a_film_is_answered_as_predict_answers_it() {
    let table = std::fs::read_to_string(predicted().join("predictions.csv")).unwrap();
    let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let row = rows.find(|row| row[0].ends_with("a.png")).unwrap();
    let column = |name: &str| row[header.iter().position(|h| *h == name).unwrap()];

    let service = service(&[]);
    let (status, health) = service.ask("GET /health HTTP/1.1", b"");
    assert_eq!(status, 200);
    assert_eq!(health["status"], "ok");
    assert_eq!(health["width"], 512);
    let film = film();
    let (status, found) = service.post("/film", &film);
    assert_eq!(status, 200, "{found}");
    let embedding = found["embedding"].as_array().unwrap();
    assert_eq!(embedding.len(), 512);
    assert!(embedding.iter().any(|v| v.as_f64().unwrap() > 0.0));
    let findings = found["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 5);
    for (finding, label) in findings.iter().zip(health["labels"].as_array().unwrap()) {
        assert_eq!(finding["label"], *label);
        let label = label.as_str().unwrap();
        let probability = finding["probability"].as_f64().unwrap();
        let expected: f64 = column(label).parse().unwrap();
        // The batch of `predict` has one more film, so sums may differ in their last bits.
        assert!(
            (probability - expected).abs() < 1e-5,
            "{label}: {probability} {expected}"
        );
        let present = match finding["present"].as_bool() {
            Some(true) => "1",
            Some(false) => "0",
            // A label that had too few validation films for a threshold.
            None => "",
        };
        assert_eq!(finding["threshold"].is_null(), present.is_empty());
        assert_eq!(present, column(&format!("present:{label}")));
    }
    assert_eq!(
        service.post("/film", &film),
        (200, found),
        "a second request gives the same response"
    );
}

#[test]
fn what_is_no_film_is_refused_in_words() {
    let service = service(&["--max-upload", "1"]);
    let film = film();
    for (file, says) in [
        (&b"no film"[..], "the film "),
        (b"", "the film "),
        (&film[..film.len() / 2], "the film "),
    ] {
        let (status, body) = service.post("/film", file);
        assert_eq!(status, 422, "{body}");
        let error = body["error"].as_str().unwrap();
        assert!(error.starts_with(says), "{error}");
    }
    let (status, body) = service.post("/film", &film);
    assert_eq!(status, 200, "the service goes on: {body}");

    // The service refuses a file by its declared length, before any byte of it is sent.
    let large = "POST /film HTTP/1.1\r\nContent-Length: 1048577";
    let (status, body) = service.ask(large, b"");
    assert_eq!(status, 413);
    assert!(
        body["error"].as_str().unwrap().contains("1048576 bytes"),
        "{body}"
    );
    for (head, expected) in [("GET /films", 404), ("DELETE /film", 405)] {
        let (status, body) = service.ask(&format!("{head} HTTP/1.1"), b"");
        assert_eq!(status, expected);
        assert!(
            body["error"].as_str().unwrap().contains("POST /film"),
            "{body}"
        );
    }
    // Without a declared length, it refuses the file by the bytes that arrive.
    let mut chunks = format!("{:x}\r\n", (1 << 20) + 1).into_bytes();
    chunks.extend(vec![0; (1 << 20) + 1]);
    chunks.extend(b"\r\n");
    let unsaid = "POST /film HTTP/1.1\r\nTransfer-Encoding: chunked";
    assert_eq!(service.ask(unsaid, &chunks).0, 413);
}

#[test]
fn more_films_than_places_are_told_to_come_again() {
    let service = service(&["--places", "1"]);
    // A film in progress takes the only place.
    let film = film();
    let mut slow = service.connect();
    let head = format!(
        "POST /film HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        film.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&film[..10]).unwrap();
    while service.ask("GET /health HTTP/1.1", b"").1["free_places"] != 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // The service reads a file to its end even if it is larger than the connection's buffers, so
    // that the client receives the response.
    let (status, body) = service.post("/film", &vec![0; 16 << 20]);
    assert_eq!(status, 503, "{body}");
    let asks_first = format!(
        "POST /film HTTP/1.1\r\nContent-Length: {}\r\nExpect: 100-continue",
        film.len()
    );
    assert_eq!(
        service.ask(&asks_first, b"").0,
        503,
        "the client sends no body"
    );

    // After SIGTERM, the service first answers that film.
    signal(&service, "TERM");
    slow.write_all(&film[10..]).unwrap();
    let (status, body) = answer(slow);
    assert_eq!(status, 200, "{body}");
    assert_eq!(service.ended(), (Some(0), "stopped\n".to_owned()));
}

#[test]
fn it_ends_when_nobody_asks_and_says_what_it_cannot_open() {
    let service = service(&[]);
    signal(&service, "INT");
    assert_eq!(service.ended().0, Some(0));
    let absent = fail(program("mflag-service").args(["--model", "absent"]));
    assert!(absent.contains("absent"), "{absent}");
    let mut both = program("mflag-service");
    both.args(["--model", "a", "--encoder", "b"]);
    assert_eq!(both.output().unwrap().status.code(), Some(2));
}

/// Opens connections that send the beginning of a request, and no more.
fn half_open(service: &Service, count: usize, beginning: &str) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = service.connect();
        stream.write_all(beginning.as_bytes()).unwrap();
        stream
    };
    (0..count).map(open).collect()
}

/// Waits until the service closes the connection, and returns what it sent.
fn closed(mut stream: TcpStream) -> String {
    let mut sent = Vec::new();
    // A reset closes it as well.
    let _ = stream.read_to_end(&mut sent);
    String::from_utf8_lossy(&sent).into_owned()
}

fn is_well(service: &Service) -> bool {
    service.ask("GET /health HTTP/1.1", b"").0 == 200
}

#[test]
fn clients_that_send_no_request_do_not_block_others() {
    let service = service(&["--connections", "20"]);
    let start = Instant::now();
    let nothing = half_open(&service, 5, "");
    let heads = half_open(&service, 5, "GET /health HTTP/1.1\r\nHost: te");
    let mut kept = service.connect();
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    assert!(is_well(&service));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    // More than the limit: the others get a place when these are closed.
    let more = half_open(&service, 30, "GET");
    assert!(is_well(&service));
    for stream in nothing.into_iter().chain(heads).chain(more) {
        closed(stream);
    }
    // A connection that has no further request is closed, too.
    assert!(closed(kept).contains("\"status\":\"ok\""));
    assert!(
        start.elapsed() < Duration::from_secs(50),
        "{:?}",
        start.elapsed()
    );
    assert!(is_well(&service));
}

#[test]
fn five_hundred_half_open_connections_block_nobody() {
    let service = service(&["--places", "4"]);
    let start = Instant::now();
    let head = "POST /film HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n";
    let films = half_open(&service, 4, head);
    let _heads = half_open(&service, 490, "POST /film HTTP/1.1\r\n");
    assert!(is_well(&service));
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    for stream in films {
        let sent = closed(stream);
        assert!(
            sent.starts_with("HTTP/1.1 408") && sent.contains("within 5 s"),
            "{sent}"
        );
    }
    assert_eq!(service.post("/film", &film()).0, 200);
}

#[test]
fn it_ends_within_five_seconds_and_at_once_at_a_second_signal() {
    let head = "POST /film HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n";
    for (signals, longest) in [(1, 5.5), (2, 1.5)] {
        let service = service(&[]);
        let _films = half_open(&service, 3, head);
        let _heads = half_open(&service, 3, "GET /he");
        let _idle = half_open(&service, 3, "");
        while service.ask("GET /health HTTP/1.1", b"").1["free_places"] != 29 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let start = Instant::now();
        for _ in 0..signals {
            signal(&service, "TERM");
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(service.ended(), (Some(1), "stopped\n".to_owned()));
        let seconds = start.elapsed().as_secs_f64();
        assert!(seconds < longest, "{signals} signals: {seconds} s");
    }
}

/// Memory of the service that lies in RAM, in MiB.
fn memory(service: &Service) -> u64 {
    let status = format!("/proc/{}/status", service.process());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        >> 10
}

#[test]
fn memory_of_a_burst_is_returned() {
    let service = service(&["--places", "16"]);
    assert_eq!(service.post("/film", &film()).0, 200);
    let before = memory(&service);
    // Large films, some of them held while the others are answered.
    let large =
        image::GrayImage::from_fn(4000, 4000, |x, y| image::Luma([((x * 7) ^ (y * 13)) as u8]));
    let mut png = std::io::Cursor::new(Vec::new());
    large.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| assert_eq!(service.post("/film", &png).0, 200));
        }
    });
    let start = Instant::now();
    let mut after = memory(&service);
    while after > before + 64 && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(200));
        after = memory(&service);
    }
    assert!(
        after <= before + 64,
        "{before} MiB before the burst, {after} MiB after it"
    );
}
