//! Loads a weight file into a model.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use tch::Tensor;

use super::family::family;
use super::names::{self, Ambiguous};
use super::{Tensors, check_finite, read};
use crate::{Error, Result};

/// How many names an error message lists.
const LISTED: usize = 5;

/// Differences between a file and a model that are not errors.
///
/// A pattern is a name, or the beginning (`fc.*`) or ending (`*.num_batches_tracked`) of names.
/// Patterns are compared with the model's names, and with the file's names both with and without
/// the stripped prefix.
#[derive(Clone, Debug, Default)]
pub struct Allow {
    /// Variables that the file may lack or have in another shape. They keep their values.
    pub missing: Vec<String>,
    /// Tensors of the file that the model may lack.
    pub unused: Vec<String>,
    /// Whether the file may hold other parts of a larger model, outside the stripped prefix.
    pub other_parts: bool,
}

impl Allow {
    /// No difference: file and model must match exactly.
    pub fn nothing() -> Allow {
        Allow::default()
    }

    /// The usual differences when an encoder is loaded. The file's classifier, language-model head,
    /// pooler and counters, and other parts of a larger model, may stay unused. The model's batch
    /// counters may be missing.
    pub fn heads() -> Allow {
        Allow {
            other_parts: true,
            ..Allow::nothing()
        }
        .missing("*num_batches_tracked")
        .unused("fc.*")
        .unused("cls.*")
        .unused("classifier.*")
        .unused("pooler.*")
        .unused("*num_batches_tracked")
        .unused("*position_ids")
    }

    /// Also allows variables with this pattern to be missing.
    #[must_use]
    pub fn missing(mut self, pattern: impl Into<String>) -> Allow {
        self.missing.push(pattern.into());
        self
    }

    /// Also allows tensors with this pattern to be unused.
    #[must_use]
    pub fn unused(mut self, pattern: impl Into<String>) -> Allow {
        self.unused.push(pattern.into());
        self
    }

    fn allows_missing(&self, name: &str) -> bool {
        self.missing.iter().any(|pattern| matches(pattern, name))
    }

    fn allows_unused(&self, name: &str, prefix: &str) -> bool {
        let inner = name.strip_prefix(prefix);
        (inner.is_none() && self.other_parts)
            || self.unused.iter().any(|pattern| {
                matches(pattern, name) || inner.is_some_and(|inner| matches(pattern, inner))
            })
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    if let Some(start) = pattern.strip_suffix('*') {
        name.starts_with(start)
    } else if let Some(end) = pattern.strip_prefix('*') {
        name.ends_with(end)
    } else {
        name == pattern
    }
}

/// What [`load_into`] did. Its `Display` is one short line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// How many variables were loaded.
    pub loaded: usize,
    /// Variables that the file lacks. They kept their values.
    pub missing: Vec<String>,
    /// Variables that have another shape in the file. They kept their values.
    pub mismatched: Vec<String>,
    /// Unused tensors of the file, by their names in the file.
    pub unused: Vec<String>,
    /// The prefix that was stripped from the file's names: empty, or with its dot ("module.").
    pub prefix: String,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables loaded", self.loaded)?;
        if !self.prefix.is_empty() {
            write!(f, ", `{}` stripped", self.prefix)?;
        }
        let lists = [
            ("not in the file", &self.missing),
            ("in another shape", &self.mismatched),
            ("unused", &self.unused),
        ];
        for (what, names) in lists {
            match names.as_slice() {
                [] => {}
                [name] => write!(f, "; 1 {what}: {name}")?,
                [first, ..] => write!(f, "; {} {what}: {first}, …", names.len())?,
            }
        }
        Ok(())
    }
}

/// Copies the weights of a file into `variables`: names and tensors of a model, of any kind and on
/// any device. Values are converted to the variable's kind.
///
/// Prefixes that wrappers added to the file's names are found and stripped. LayerNorm's old names
/// `gamma` and `beta` count as `weight` and `bias`. Everything is compared before the first copy:
/// after an error the model is unchanged.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] if the file cannot be read ([`read`]), or a value for a
/// variable is NaN or infinite. [`Error::Mismatch`] if a variable is missing or has another shape,
/// or a tensor of the file is unused, and `allow` does not permit it.
pub fn load_into(
    path: impl AsRef<Path>,
    variables: &[(String, Tensor)],
    allow: &Allow,
) -> Result<LoadReport> {
    let path = path.as_ref();
    let file = read(path)?;
    let mismatch = |reason| Error::Mismatch {
        path: path.to_owned(),
        reason,
    };
    let prefix = names::prefix(&file, variables).map_err(|Ambiguous(one, other)| {
        mismatch(format!(
            "both the part `{one}` and the part `{other}` of the file fit; \
             save the right part to a separate file"
        ))
    })?;
    let plan = Plan::new(&file, prefix, variables);
    plan.check(allow).map_err(mismatch)?;
    for (name, variable, weights) in &plan.pairs {
        // The variable's kind may be narrower, and turn a large value into an infinite one.
        check_finite(path, name, &weights.f_to_kind(variable.f_kind()?)?)?;
    }
    tch::no_grad(|| {
        plan.pairs
            .iter()
            .try_for_each(|(_, variable, weights)| variable.shallow_clone().f_copy_(weights))
    })?;
    Ok(plan.report)
}

/// Which tensor goes into which variable. Nothing is changed yet.
struct Plan<'t> {
    file: &'t Tensors,
    variables: &'t [(String, Tensor)],
    /// For each variable: the name of its tensor in the file, the variable, and the tensor.
    pairs: Vec<(&'t str, &'t Tensor, &'t Tensor)>,
    report: LoadReport,
}

impl<'t> Plan<'t> {
    fn new(file: &'t Tensors, prefix: String, variables: &'t [(String, Tensor)]) -> Plan<'t> {
        let mut report = LoadReport::default();
        let mut pairs = Vec::new();
        let mut unused: BTreeSet<&String> = file.keys().collect();
        for (name, variable) in variables {
            let Some((file_name, weights)) = names::find(file, &prefix, name) else {
                report.missing.push(name.clone());
                continue;
            };
            unused.remove(file_name);
            if variable.size() == weights.size() {
                pairs.push((file_name.as_str(), variable, weights));
            } else {
                report.mismatched.push(name.clone());
            }
        }
        report.loaded = pairs.len();
        report.unused = unused.into_iter().cloned().collect();
        report.prefix = prefix;
        Plan {
            file,
            variables,
            pairs,
            report,
        }
    }

    /// Describes all differences that `allow` does not permit.
    fn check(&self, allow: &Allow) -> std::result::Result<(), String> {
        let LoadReport {
            missing,
            mismatched,
            unused,
            prefix,
            ..
        } = &self.report;
        let refused = |names: &[String]| -> Vec<String> {
            names
                .iter()
                .filter(|name| !allow.allows_missing(name))
                .map(|name| self.describe(name))
                .collect()
        };
        let unused: Vec<String> = unused
            .iter()
            .filter(|name| !allow.allows_unused(name, prefix))
            .map(|name| format!("`{name}` {:?}", self.file[name].size()))
            .collect();
        let of_model = format!("of the model's {} variables", self.variables.len());
        let complaints: Vec<String> = [
            (
                refused(mismatched),
                format!("{of_model} have another shape in the file"),
            ),
            (
                refused(missing),
                format!("{of_model} are missing in the file"),
            ),
            (
                unused,
                "of the file's tensors are not in the model".to_owned(),
            ),
        ]
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("{} {what}: {}", names.len(), list(&names)))
        .collect();
        if complaints.is_empty() {
            return Ok(());
        }
        Err(format!("{}. {}", complaints.join("; "), self.advice()))
    }

    /// A variable with its shape and, if the file has it, the shape there.
    fn describe(&self, name: &str) -> String {
        let variable = self.variables.iter().find(|(n, _)| n == name);
        let shape = variable.map_or_else(Vec::new, |(_, variable)| variable.size());
        match names::find(self.file, &self.report.prefix, name) {
            Some((_, weights)) => {
                format!("`{name}` {shape:?} (in the file {:?})", weights.size())
            }
            None => format!("`{name}` {shape:?}"),
        }
    }

    fn advice(&self) -> String {
        let prefix = &self.report.prefix;
        let in_file: Vec<_> = self
            .file
            .iter()
            .filter(|(name, _)| name.starts_with(prefix.as_str()))
            .map(|(name, tensor)| (name.as_str(), tensor.size()))
            .collect();
        let in_model: Vec<_> = self
            .variables
            .iter()
            .map(|(name, variable)| (name.as_str(), variable.size()))
            .collect();
        match (family(&in_file), family(&in_model)) {
            (Some(file), Some(model)) if file != model => {
                format!("The file looks like {file}, the model is {model}: change one of them")
            }
            _ => match self.file.keys().next() {
                Some(name) if self.report.loaded == 0 => {
                    format!("Is it the file of another model? Its first tensor is `{name}`")
                }
                _ => "Is it the file of another variant of the model?".to_owned(),
            },
        }
    }
}

/// The first few names, separated by commas.
fn list(names: &[String]) -> String {
    let more = if names.len() > LISTED { ", …" } else { "" };
    let listed = &names[..names.len().min(LISTED)];
    format!("{}{more}", listed.join(", "))
}
