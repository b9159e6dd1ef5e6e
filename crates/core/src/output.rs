//! What a program says on standard output: tables and sentences for people or, by `--json`, one JSON object for other programs.

use std::cell::OnceCell;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

/// Where results go.
#[derive(Debug)]
pub struct Output {
    json: Option<Map<String, Value>>,
    /// Why standard output takes no more. The work goes on.
    failed: OnceCell<io::Error>,
}

impl Output {
    /// Prints text at once, or with `json` collects the results for [`Output::print_json`].
    pub fn new(json: bool) -> Output {
        Output {
            json: json.then(Map::new),
            failed: OnceCell::new(),
        }
    }

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

    /// Prints the JSON object of the results, unless there are none.
    pub fn print_json(&mut self) {
        if let Some(results) = self.json.take().filter(|results| !results.is_empty()) {
            self.print(format_args!("{:#}\n", Value::Object(results)));
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
    pub fn exit_code(self, code: ExitCode) -> ExitCode {
        match self.failed.into_inner() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                print_error(format_args!(
                    "error: cannot write to standard output: {error}"
                ));
                ExitCode::FAILURE
            }
            _ => code,
        }
    }
}

/// Prints a line on standard error. If that fails, there is no place left to report it.
pub fn print_error(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_an_object_in_their_order() {
        let mut output = Output::new(true);
        output.say("films", 3, "3 films\n");
        output.say("bad", ["a"], "a\n");
        output.remark("words\n");
        let results = Value::Object(output.json.unwrap());
        assert_eq!(results.to_string(), r#"{"films":3,"bad":["a"]}"#);
    }
}
