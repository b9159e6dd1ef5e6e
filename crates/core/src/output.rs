//! What a program says on standard output: tables and sentences for people or, by `--json`, one JSON object for other programs.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::run_main;

/// Flag of every program that ends with results.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputArgs {
    /// Print the results as one JSON object at the end, in place of tables and sentences
    #[arg(long, global = true, display_order = 902)]
    json: bool,
}

impl OutputArgs {
    /// [`run_main`] of a program that has results. They are printed if it ends without an error.
    pub fn run<E: AsRef<dyn Error + Send + Sync>>(
        self,
        program: impl FnOnce(&mut Output) -> Result<ExitCode, E>,
    ) -> ExitCode {
        run_main(|| {
            let mut output = Output {
                json: self.json.then(Map::new),
            };
            let code = program(&mut output)?;
            if let Some(results) = output.json.filter(|results| !results.is_empty()) {
                println!("{:#}", Value::Object(results));
            }
            Ok::<_, E>(code)
        })
    }
}

/// Where results go.
#[derive(Debug)]
pub struct Output {
    json: Option<Map<String, Value>>,
}

impl Output {
    /// A result: `words`, ends of lines included, for people at once, or `value` as the key `key` of the object.
    pub fn say(&mut self, key: &str, value: impl Serialize, words: impl Display) {
        match &mut self.json {
            // Results are numbers, texts and lists of them, which JSON can hold.
            Some(results) => {
                let value = serde_json::to_value(value).unwrap_or_default();
                results.insert(key.to_owned(), value);
            }
            None => print!("{words}"),
        }
    }

    /// Words, ends of lines included, that are nothing to a program.
    pub fn remark(&self, words: impl Display) {
        if self.json.is_none() {
            print!("{words}");
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
        };
        output.say("films", 3, "3 films\n");
        output.say("bad", ["a"], "a\n");
        output.remark("words\n");
        let results = Value::Object(output.json.unwrap());
        assert_eq!(results.to_string(), r#"{"films":3,"bad":["a"]}"#);
    }
}
