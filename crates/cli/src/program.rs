//! Runs a program, and turns every outcome into one message and an exit code.

use std::error::Error;
use std::process::ExitCode;

use mflag_core::output::{Output, print_error};
use mflag_core::signals;
use signal_hook::consts::SIGPIPE;

/// The flag of programs that print results.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputArgs {
    /// Print the results as one JSON object at the end, instead of tables and sentences
    #[arg(long, global = true, display_order = 902)]
    json: bool,
}

impl OutputArgs {
    /// Runs a program that prints results, with [`run_main`]. If the program fails, `--json` still
    /// prints the results that came before the error.
    pub fn run<E: AsRef<dyn Error + Send + Sync>>(
        self,
        program: impl FnOnce(&mut Output) -> Result<ExitCode, E>,
    ) -> ExitCode {
        run_main(|| {
            let mut output = Output::new(self.json);
            let result = program(&mut output);
            output.print_json();
            Ok::<_, E>(output.exit_code(result?))
        })
    }
}

/// The start of the panic message of `println!` when it cannot write.
const STDOUT: &str = "failed printing to stdout: ";

/// Runs a program, which ends when the mflag program that started it ends. After an error, it
/// prints one message on standard error and returns exit code 1. After a panic, it asks the user to
/// report the bug, and returns exit code 101. A closed output pipe ends the program silently.
pub fn run_main<E: AsRef<dyn Error + Send + Sync>>(
    program: impl FnOnce() -> std::result::Result<ExitCode, E>,
) -> ExitCode {
    signals::end_with_parent();
    std::panic::set_hook(Box::new(|info| report_panic(&info.to_string())));
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(program)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            print_error(format_args!("error: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::from(101),
    }
}

/// Prints the message of a panic. Ends the program if standard output or memory has failed.
fn report_panic(fault: &str) {
    if let Some((_, why)) = fault.split_once(STDOUT) {
        // The reader, such as `head`, has closed the pipe: exit as after SIGPIPE.
        if why.contains("Broken pipe") {
            std::process::exit(128 + SIGPIPE);
        }
        print_error(format_args!(
            "error: cannot write to standard output: {why}"
        ));
        std::process::exit(1);
    }
    if let Some(message) = out_of_memory(fault) {
        print_error(format_args!(
            "error: {message}; free some memory, or choose smaller batches or views \
             (train.batch_size, data.side)"
        ));
        std::process::exit(1);
    }
    print_error(format_args!(
        "error: a bug in mflag ended the program; please report this line:\n  {fault}"
    ));
}

/// The part of `fault` that is libtorch's message for lack of memory; `None` if there is none.
/// Functions of tch panic with such a message.
fn out_of_memory(fault: &str) -> Option<&str> {
    let starts = ["CUDA out of memory", "DefaultCPUAllocator: "];
    let begin = starts.iter().find_map(|start| fault.find(start))?;
    let end = fault[begin..].find(['\n', '\\', '"']);
    Some(fault[begin..].get(..end?).unwrap_or(&fault[begin..]))
}

/// The message of an error and its causes. Causes that an outer message contains are left out.
pub fn chain(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_for_lack_of_memory_is_recognised() {
        let fault = "panicked at tch/src/x.rs:1:2:\ncalled `Result::unwrap()` on an `Err` value: Torch(\"[enforce fail at \
                     alloc_cpu.cpp:1] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\\nException\")";
        assert_eq!(
            out_of_memory(fault),
            Some("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        );
        assert_eq!(out_of_memory("index out of bounds"), None);
    }

    #[test]
    fn a_cause_is_printed_once() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = mflag_core::Error::io("read", "/a", cause);
        assert_eq!(
            chain(&error).matches("not found").count(),
            1,
            "{}",
            chain(&error)
        );
    }
}
