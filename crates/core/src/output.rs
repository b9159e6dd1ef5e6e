//! What a program says on standard output: tables and sentences for people or, by `--json`, one JSON object for other programs.

use std::cell::OnceCell;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::{run_main, say_on_stderr};

/// Flag of every program that ends with results.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputArgs {
    /// Print the results as one JSON object at the end, in place of tables and sentences
    #[arg(long, global = true, display_order = 902)]
    json: bool,
}

impl OutputArgs {
    /// [`run_main`] of a program that has results. What it had said is printed as JSON even if it ends with an error.
    pub fn run<E: AsRef<dyn Error + Send + Sync>>(
        self,
        program: impl FnOnce(&mut Output) -> Result<ExitCode, E>,
    ) -> ExitCode {
        run_main(|| {
            let mut output = Output {
                json: self.json.then(Map::new),
                failed: OnceCell::new(),
            };
            let ended = program(&mut output);
            if let Some(results) = output.json.take().filter(|results| !results.is_empty()) {
                output.print(format_args!("{:#}\n", Value::Object(results)));
            }
            let code = ended?;
            Ok::<_, E>(output.code(code))
        })
    }
}

/// Where results go.
#[derive(Debug)]
pub struct Output {
    json: Option<Map<String, Value>>,
    /// Why standard output takes no more. The work goes on.
    failed: OnceCell<io::Error>,
}

impl Output {
    /// A result: `words`, ends of lines included, for people at once, or `value` as the key `key` of the object.
    pub fn say(&mut self, key: &str, value: impl Serialize, words: impl Display) {
        match &mut self.json {
            // Results are numbers, texts and lists of them, which JSON can hold.
            Some(results) => {
                // But for a path that is no text.
                let value = serde_json::to_value(value)
                    .unwrap_or_else(|_| words.to_string().trim_end().into());
                results.insert(key.to_owned(), value);
            }
            None => self.print(words),
        }
    }

    /// Words, ends of lines included, that are nothing to a program.
    pub fn remark(&self, words: impl Display) {
        if self.json.is_none() {
            self.print(words);
        }
    }

    fn print(&self, words: impl Display) {
        if self.failed.get().is_none()
            && let Err(error) = write!(io::stdout(), "{words}").and_then(|()| io::stdout().flush())
        {
            let _ = self.failed.set(error);
        }
    }

    /// The code to leave with: that of the program, unless standard output failed. A reader that has seen enough, such as `head`, is no
    /// failure.
    fn code(self, code: ExitCode) -> ExitCode {
        match self.failed.into_inner() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                say_on_stderr(format_args!(
                    "error: cannot write to standard output: {error}"
                ));
                ExitCode::FAILURE
            }
            _ => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_an_object_in_their_order() {
        let mut output = Output {
            json: Some(Map::new()),
            failed: OnceCell::new(),
        };
        output.say("films", 3, "3 films\n");
        output.say("bad", ["a"], "a\n");
        output.remark("words\n");
        let results = Value::Object(output.json.unwrap());
        assert_eq!(results.to_string(), r#"{"films":3,"bad":["a"]}"#);
    }
}
