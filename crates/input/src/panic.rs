//! Panics of libraries on damaged input.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// A library panicked on its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked;

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the library that reads it failed on it")
    }
}

impl std::error::Error for Panicked {}

thread_local! {
    /// Whether this thread is in [`catch_panic`].
    static PARSING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `parse`. If it panics, as libraries do on damaged input, the panic becomes an error and
/// prints nothing. Values that `parse` was changing must not be used after an error.
///
/// # Errors
/// If `parse` panics on this thread.
pub fn catch_panic<T>(parse: impl FnOnce() -> T) -> Result<T, Panicked> {
    silence_panics_of_parsers();
    let outer = PARSING.replace(true);
    let parsed = catch_unwind(AssertUnwindSafe(parse));
    PARSING.set(outer);
    parsed.map_err(|_| Panicked)
}

/// Makes the program's panic hook ignore panics in [`catch_panic`].
fn silence_panics_of_parsers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |info| {
            if !PARSING.get() {
                hook(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn a_library_that_panics() {
        assert_eq!(catch_panic::<()>(|| panic!("inside")), Err(Panicked));
        // A panic within a nested call leaves the outer call silent, too.
        let outer = catch_panic(|| {
            let _ = catch_panic::<()>(|| panic!("inside"));
            panic!("outside")
        });
        assert_eq!(outer, Err::<(), _>(Panicked));
    }

    #[test]
    fn a_library_that_panics_prints_nothing() {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "panic::tests::a_library_that_panics",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && stderr.is_empty(), "{stderr}");
        let stdout = String::from_utf8_lossy(&run.stdout);
        assert!(stdout.contains("1 passed"), "{stdout}");
    }
}
