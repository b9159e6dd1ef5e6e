//! How a program ends: one message and an exit code, whatever happened.

use std::error::Error;
use std::process::ExitCode;

use mflag_core::output::Output;
use signal_hook::consts::SIGPIPE;

/// The flag of every program that prints results.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputArgs {
    /// Print the results as one JSON object at the end, instead of tables and sentences
    #[arg(long, global = true, display_order = 902)]
    json: bool,
}

impl OutputArgs {
    /// Runs a program that prints results ([`run_main`]). With `--json`, the results printed before an error appear as well.
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

/// What `println!` panics with where it cannot write.
const STDOUT: &str = "failed printing to stdout: ";

/// Runs a program: an error ends in one message on standard error and exit code 1, a panic in one that asks for a
/// report and exit code 101, a closed output pipe quietly.
pub fn run_main<E: AsRef<dyn Error + Send + Sync>>(
    program: impl FnOnce() -> std::result::Result<ExitCode, E>,
) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let fault = info.to_string();
        if let Some((_, why)) = fault.split_once(STDOUT) {
            // Its reader, such as `head`, has seen enough: ended as by SIGPIPE.
            if why.contains("Broken pipe") {
                std::process::exit(128 + SIGPIPE);
            }
            mflag_core::output::print_error(format_args!(
                "error: cannot write to standard output: {why}"
            ));
            std::process::exit(1);
        }
        if let Some(words) = out_of_memory(&fault) {
            mflag_core::output::print_error(format_args!(
                "error: {words}; take a smaller train.batch_size or data.side, or free some memory"
            ));
            std::process::exit(1);
        }
        mflag_core::output::print_error(format_args!(
            "error: mflag met a fault of its own and had to stop; please report this line:\n  {fault}"
        ));
    }));
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(program)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            mflag_core::output::print_error(format_args!("error: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::from(101),
    }
}

/// What libtorch says where memory does not suffice: layers of tch panic with it.
fn out_of_memory(fault: &str) -> Option<&str> {
    let said = ["CUDA out of memory", "DefaultCPUAllocator: "];
    let begin = said.iter().find_map(|words| fault.find(words))?;
    let end = fault[begin..].find(['\n', '\\', '"']);
    Some(fault[begin..].get(..end?).unwrap_or(&fault[begin..]))
}

/// An error and its causes, those left out that an outer message has already told.
fn chain(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_told() {
        let fault = "panicked at tch/src/x.rs:1:2:\ncalled `Result::unwrap()` on an `Err` value: Torch(\"[enforce fail at \
                     alloc_cpu.cpp:1] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\\nException\")";
        assert_eq!(
            out_of_memory(fault),
            Some("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        );
        assert_eq!(out_of_memory("index out of bounds"), None);
    }

    #[test]
    fn a_cause_is_told_once() {
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
