//! The text below every `--help`.

use clap::{Command, CommandFactory, FromArgMatches};

/// The text below a service's help: `examples` and the exit codes. A service runs until a signal
/// ends it.
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

/// Parses the command line of a program with these `examples`: see [`with_examples`]. An error, or
/// a request for help, ends the process.
pub fn parse<C: CommandFactory + FromArgMatches>(examples: &str) -> C {
    try_parse(examples).unwrap_or_else(|error| error.exit())
}

/// As [`parse`], but returns the error.
///
/// # Errors
/// If the command line cannot be parsed, or help was requested.
pub fn try_parse<C: CommandFactory + FromArgMatches>(examples: &str) -> Result<C, clap::Error> {
    let matches = with_examples(C::command(), examples).try_get_matches()?;
    C::from_arg_matches(&matches)
}

/// Puts the `examples` of a program and the exit codes below its help, and below the help of each
/// subcommand the examples that call it.
///
/// `examples` has command lines that begin with two blanks and the program's name, and continuation
/// lines that are indented further.
pub fn with_examples(command: Command, examples: &str) -> Command {
    let done = "0 done";
    let interrupted = "; 128 + signal interrupted, can be resumed";
    let program = command.get_name().to_owned();
    let subcommands = command.get_subcommands().map(|c| c.get_name().to_owned());
    let subcommands: Vec<String> = subcommands.collect();
    let command = command.after_help(with_exit_codes(examples, done, interrupted));
    subcommands.iter().fold(command, |command, name| {
        let of_it = examples_of(&program, name, examples);
        command.mut_subcommand(name, |subcommand| {
            subcommand.after_help(format!("Examples:\n{of_it}"))
        })
    })
}

/// The command lines that call a subcommand, each with its continuation lines.
fn examples_of(program: &str, subcommand: &str, examples: &str) -> String {
    let start = format!("  {program} {subcommand}");
    let own = match subcommand {
        "schema" => " > schema.json".to_owned(),
        "completions" => format!(" bash > ~/.local/share/bash-completion/completions/{program}"),
        "man" => " --out ~/.local/share/man/man1".to_owned(),
        _ => String::new(),
    };
    if !own.is_empty() {
        return start + &own;
    }
    let mut is_shown = false;
    let lines = examples.lines().filter(|line| {
        if !line.starts_with("   ") {
            let rest = line.strip_prefix(&start);
            is_shown = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        }
        is_shown
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subcommand_has_the_examples_that_call_it() {
        let examples = "Examples:
  mflag-some make --out a
  mflag-some make-more --out b \\
      --much
  mflag-some make --out c

Repeat it.";
        let command = Command::new("mflag-some")
            .subcommands(["make", "make-more", "schema"].map(Command::new));
        let mut command = with_examples(command, examples);
        let help = |name: &str, command: &mut Command| {
            let found = command.find_subcommand_mut(name).unwrap();
            found.render_help().to_string()
        };
        let make = help("make", &mut command);
        assert!(
            make.contains("Examples:\n  mflag-some make --out a\n  mflag-some make --out c"),
            "{make}"
        );
        assert!(
            !make.contains("make-more") && !make.contains("Repeat"),
            "{make}"
        );
        assert!(help("make-more", &mut command).contains("--out b \\\n      --much"));
        assert!(help("schema", &mut command).contains("  mflag-some schema > schema.json"));
        assert!(
            command
                .render_help()
                .to_string()
                .contains("Exit codes: 0 done")
        );
    }
}
