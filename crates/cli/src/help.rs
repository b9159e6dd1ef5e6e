//! The text below every `--help`.

/// What stands below a program's help: `examples`, and what its exit codes mean.
pub fn after_help(examples: &str) -> String {
    help_below(
        examples,
        "0 done",
        "; 128 + signal interrupted, and can go on",
    )
}

/// As [`after_help`], of a program that serves until a signal ends it.
pub fn after_help_of_service(examples: &str) -> String {
    help_below(examples, "0 ended by SIGINT or SIGTERM", "")
}

fn help_below(examples: &str, done: &str, signalled: &str) -> String {
    format!(
        "{examples}

Exit codes: {done}; 1 failed, the last line says why; 2 the command line is not understood;
101 a fault of the program itself{signalled}"
    )
}
