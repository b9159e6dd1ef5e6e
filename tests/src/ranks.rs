//! Tests of several processes: a test starts its own binary once for each rank.

use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long the ranks of a test may run.
const LIMIT: Duration = Duration::from_secs(300);

/// Whether this process is a rank that [`run`] has started.
pub fn is_rank() -> bool {
    std::env::var_os("RANK").is_some()
}

/// A port that no program uses.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The environment that torchrun would give to `rank` of `ranks` processes on this host, if it did
/// not serve the store.
pub fn environment(rank: usize, ranks: usize, port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("RANK", rank.to_string()),
        ("WORLD_SIZE", ranks.to_string()),
        ("LOCAL_RANK", rank.to_string()),
        ("LOCAL_WORLD_SIZE", ranks.to_string()),
        ("MASTER_ADDR", "127.0.0.1".to_owned()),
        ("MASTER_PORT", port.to_string()),
    ]
}

/// Starts `command(rank)` for each of `ranks` ranks, and waits until all have ended.
///
/// # Panics
/// If a rank does not end within five minutes.
pub fn start(ranks: usize, command: impl Fn(usize) -> Command) -> Vec<Output> {
    let port = free_port();
    let start = |rank| {
        let mut command = command(rank);
        command.envs(environment(rank, ranks, port));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<Child> = (0..ranks).map(start).collect();
    // Threads, so that no rank waits for the reader of its output.
    let readers: Vec<_> = children
        .into_iter()
        .map(|child| std::thread::spawn(|| wait(child)))
        .collect();
    readers.into_iter().map(|r| r.join().unwrap()).collect()
}

/// The output of a process, which is killed if it does not end in time.
fn wait(child: Child) -> Output {
    let id = child.id().to_string();
    let ended = std::thread::spawn(|| child.wait_with_output().unwrap());
    let begin = Instant::now();
    while !ended.is_finished() {
        if begin.elapsed() > LIMIT {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ended.join().unwrap()
}

/// Runs the test `name`, which calls this, again in `ranks` processes, in which [`is_rank`] is
/// true.
///
/// # Panics
/// If a rank fails; the message has its output.
pub fn run(name: &str, ranks: usize) {
    let outputs = start(ranks, |_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]);
        command.env("OMP_NUM_THREADS", "1");
        command
    });
    for (rank, output) in outputs.iter().enumerate() {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "rank {rank} of {ranks}: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
