//! The text below every `--help`.

/// The text below a program's help: `examples` and the exit codes.
pub fn after_help(examples: &str) -> String {
    with_exit_codes(
        examples,
        "0 done",
        "; 128 + signal interrupted, can be resumed",
    )
}

/// As [`after_help`], for a service, which runs until a signal ends it.
pub fn after_help_of_service(examples: &str) -> String {
    with_exit_codes(examples, "0 ended by SIGINT or SIGTERM", "")
}

fn with_exit_codes(examples: &str, success: &str, signal: &str) -> String {
    format!(
        "{examples}

Exit codes: {success}; 1 failed, see the last line; 2 wrong command line;
101 a bug in mflag{signal}"
    )
}
