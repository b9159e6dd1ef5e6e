//! The project's binaries, run as a user runs them.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The folder of the binaries, which is the parent of the test binary's folder.
fn binaries() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors()
        .nth(2)
        .map(PathBuf::from)
        .unwrap_or_default()
}

/// Makes an empty folder `name` for files that tests share until the process ends. It is beside the
/// binaries, and the next process empties it. (A static `TempDir` would never be removed.)
///
/// # Panics
/// If the folder cannot be made.
pub fn folder(name: &str) -> PathBuf {
    let folder = binaries().join("end-to-end").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Returns a command that runs the binary `name`.
///
/// # Panics
/// If the binary has not been built; `cargo test --workspace` builds it.
pub fn program(name: &str) -> Command {
    let binary = binaries().join(name);
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --workspace`",
        binary.display()
    );
    let mut command = Command::new(binary);
    // Relative paths in configurations are relative to the checkout.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// Runs a command, expects success, and returns its standard output.
///
/// # Panics
/// If the command fails; the message contains its output.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let (output, said) = run(command);
    assert!(output.status.success(), "{command:?} failed:\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command, expects exit code 1, one error message and no panic, and returns its standard
/// error.
///
/// # Panics
/// If the command does not end with exit code 1, prints no error message, or panics.
#[track_caller]
pub fn fail(command: &mut Command) -> String {
    let (output, said) = run(command);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{command:?} did not end with exit code 1:\n{said}"
    );
    assert!(
        said.contains("error: ") && !said.contains("panicked"),
        "{said}"
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command, expects success, and returns its standard error.
///
/// # Panics
/// If the command fails; the message contains its output.
#[track_caller]
pub fn log(command: &mut Command) -> String {
    let (output, said) = run(command);
    assert!(output.status.success(), "{command:?} failed:\n{said}");
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
