//! The project's binaries, run as a user runs them.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The folder of the binaries: that around the test's own.
fn binaries() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors()
        .nth(2)
        .map(PathBuf::from)
        .unwrap_or_default()
}

/// An empty folder `name` for what tests share to the end of the process. It lies beside the binaries and is emptied by the next process:
/// a static's `TempDir` would never be removed.
///
/// # Panics
/// If it cannot be made.
pub fn folder(name: &str) -> PathBuf {
    let folder = binaries().join("end-to-end").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A command of the binary `name`, which lies beside the test's own folder.
///
/// # Panics
/// If it has not been built: `cargo test --workspace` builds it.
pub fn program(name: &str) -> Command {
    let binary = binaries().join(name);
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --workspace`",
        binary.display()
    );
    let mut command = Command::new(binary);
    // Relative paths in configurations are those of the checkout.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// Runs to the end and expects success; gives what it printed on standard output.
///
/// # Panics
/// If it fails; the message has all that it printed.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let (output, said) = run(command);
    assert!(output.status.success(), "{command:?} failed:\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs to the end and expects exit code 1, one message and no panic; gives what it printed on standard error.
///
/// # Panics
/// If it succeeds or ends in another way.
#[track_caller]
pub fn fail(command: &mut Command) -> String {
    let (output, said) = run(command);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{command:?} ended otherwise:\n{said}"
    );
    assert!(
        said.contains("error: ") && !said.contains("panicked"),
        "{said}"
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn run(command: &mut Command) -> (Output, String) {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?} did not start: {error}"),
    };
    let said = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s).into_owned());
    let said = said.concat();
    (output, said)
}
