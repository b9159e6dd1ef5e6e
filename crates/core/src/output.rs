//! Results on standard output: text for people or, with `--json`, one JSON object for programs.

use std::cell::OnceCell;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::visible;

/// Prints the results of a program. Characters that steer the terminal become visible.
#[derive(Debug)]
pub struct Output {
    /// The results that [`Output::print_json`] prints. `None`: results are printed as text at once.
    json: Option<Map<String, Value>>,
    /// The first error of a write to standard output. After it, the program goes on and prints
    /// nothing.
    failed: OnceCell<io::Error>,
    muted: bool,
}

impl Output {
    /// With `json`, collects the results for [`Output::print_json`]; otherwise prints text at once.
    pub fn new(json: bool) -> Output {
        Output {
            json: json.then(Map::new),
            failed: OnceCell::new(),
            muted: false,
        }
    }

    /// Prints nothing from now on: another process prints the results.
    pub fn mute(&mut self) {
        self.muted = true;
    }

    /// Reports a result: prints `text`, which includes its newlines, or stores `value` under `key`
    /// of the JSON object.
    pub fn say(&mut self, key: &str, value: impl Serialize, text: impl Display) {
        match &mut self.json {
            Some(results) => {
                // Of all results, only a path that is not UTF-8 has no JSON form.
                let value = serde_json::to_value(value)
                    .unwrap_or_else(|_| text.to_string().trim_end().into());
                results.insert(key.to_owned(), value);
            }
            None => self.print(text),
        }
    }

    /// Prints a remark for people, which includes its newlines. `--json` leaves it out.
    pub fn remark(&self, text: impl Display) {
        if self.json.is_none() {
            self.print(text);
        }
    }

    /// Prints the collected results as a JSON object, if there are any.
    pub fn print_json(&mut self) {
        if let Some(results) = self.json.take().filter(|results| !results.is_empty()) {
            self.print(format_args!("{:#}\n", Value::Object(results)));
        }
    }

    fn print(&self, text: impl Display) {
        if !self.muted
            && self.failed.get().is_none()
            && let Err(error) = io::stdout()
                .write_all(visible(&text.to_string()).as_bytes())
                .and_then(|()| io::stdout().flush())
        {
            let _ = self.failed.set(error);
        }
    }

    /// The exit code of the program: `code`, or failure if standard output failed. A pipe that its
    /// reader has closed, such as `head`, is not a failure.
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

/// Prints a line on standard error. Characters that steer the terminal become visible. Errors are
/// ignored.
pub fn print_error(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", visible(&line.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_a_json_object_in_order() {
        let mut output = Output::new(true);
        output.say("films", 3, "3 films\n");
        output.say("bad", ["a"], "a\n");
        output.remark("a remark\n");
        let results = Value::Object(output.json.unwrap());
        assert_eq!(results.to_string(), r#"{"films":3,"bad":["a"]}"#);
    }
}
