//! From a weight file into a live model.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use tch::Tensor;

use super::family::family;
use super::names::{self, Ambiguous};
use super::{Tensors, read};
use crate::{Error, Result};

/// Names shown in a message.
const SHOWN: usize = 5;

/// Differences between a file and a model that the caller accepts.
///
/// A pattern is a name, or with `*` a beginning (`fc.*`) or an ending (`*.num_batches_tracked`). Patterns are compared with the
/// model's names, and with the file's both with and without the prefix that was stripped.
#[derive(Clone, Debug, Default)]
pub struct Allow {
    /// Variables that may be absent from the file, or have another shape there; they keep their values.
    pub missing: Vec<String>,
    /// Tensors of the file that the model may have no use for.
    pub unused: Vec<String>,
    /// Whether the file may hold other parts of a larger model, outside of the prefix that was stripped.
    pub other_parts: bool,
}

impl Allow {
    /// File and model must agree exactly.
    pub fn nothing() -> Allow {
        Allow::default()
    }

    /// For encoders: the file's classifier, language-model head, pooler and counters may stay unused, as may other parts of a
    /// larger model; the model's batch counters may be missing.
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

    /// Allows variables of this pattern to be missing, too.
    #[must_use]
    pub fn missing(mut self, pattern: impl Into<String>) -> Allow {
        self.missing.push(pattern.into());
        self
    }

    /// Allows tensors of this pattern to be unused, too.
    #[must_use]
    pub fn unused(mut self, pattern: impl Into<String>) -> Allow {
        self.unused.push(pattern.into());
        self
    }

    fn may_miss(&self, name: &str) -> bool {
        self.missing.iter().any(|pattern| matches(pattern, name))
    }

    fn may_waste(&self, name: &str, prefix: &str) -> bool {
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

/// What [`load_into`] did. Shown as one short line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Variables that got the file's values.
    pub applied: usize,
    /// Variables that the file lacks; they kept their values.
    pub missing: Vec<String>,
    /// Variables that have another shape in the file; they kept their values.
    pub mismatched: Vec<String>,
    /// Tensors of the file that were not used, by their names there.
    pub unused: Vec<String>,
    /// What was stripped from the file's names: empty, or with its dot, such as "module.".
    pub prefix: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables loaded", self.applied)?;
        if !self.prefix.is_empty() {
            write!(f, ", `{}` stripped", self.prefix)?;
        }
        let kinds = [
            ("not in the file", &self.missing),
            ("of another shape", &self.mismatched),
            ("unused", &self.unused),
        ];
        for (what, names) in kinds {
            match names.as_slice() {
                [] => {}
                [name] => write!(f, "; 1 {what}: {name}")?,
                [first, ..] => write!(f, "; {} {what}: {first}, …", names.len())?,
            }
        }
        Ok(())
    }
}

/// Copies the weights of a file into `variables` (name and live tensor, of any kind and device), converting their kinds.
///
/// Prefixes that wrappers added to the file's names are found and stripped; LayerNorm's old names `gamma` and `beta` are known.
/// All is compared first: on an error nothing has changed.
///
/// # Errors
/// As [`read`]; [`Error::Mismatch`] if a variable is missing or of another shape, or a tensor of the file unused, and `allow`
/// does not accept it.
pub fn load_into(path: &Path, variables: &[(String, Tensor)], allow: &Allow) -> Result<Report> {
    let file = read(path)?;
    let mismatch = |reason| Error::Mismatch {
        path: path.to_owned(),
        reason,
    };
    let prefix = names::prefix(&file, variables).map_err(|Ambiguous(one, other)| {
        mismatch(format!(
            "two parts of it fit, `{one}` and `{other}`; save the one you mean to a file of its own"
        ))
    })?;
    let plan = Plan::new(&file, prefix, variables);
    plan.check(allow).map_err(mismatch)?;
    tch::no_grad(|| {
        plan.pairs
            .iter()
            .try_for_each(|(variable, weights)| variable.shallow_clone().f_copy_(weights))
    })?;
    Ok(plan.report)
}

/// What goes where, before anything is changed.
struct Plan<'t> {
    file: &'t Tensors,
    variables: &'t [(String, Tensor)],
    pairs: Vec<(&'t Tensor, &'t Tensor)>,
    report: Report,
}

impl<'t> Plan<'t> {
    fn new(file: &'t Tensors, prefix: String, variables: &'t [(String, Tensor)]) -> Plan<'t> {
        let mut report = Report::default();
        let mut pairs = Vec::new();
        let mut unused: BTreeSet<&String> = file.keys().collect();
        for (name, variable) in variables {
            let Some((file_name, weights)) = names::find(file, &prefix, name) else {
                report.missing.push(name.clone());
                continue;
            };
            unused.remove(file_name);
            if variable.size() == weights.size() {
                pairs.push((variable, weights));
            } else {
                report.mismatched.push(name.clone());
            }
        }
        report.applied = pairs.len();
        report.unused = unused.into_iter().cloned().collect();
        report.prefix = prefix;
        Plan {
            file,
            variables,
            pairs,
            report,
        }
    }

    /// An error in words if the plan needs more than `allow` grants.
    fn check(&self, allow: &Allow) -> std::result::Result<(), String> {
        let Report {
            missing,
            mismatched,
            unused,
            prefix,
            ..
        } = &self.report;
        let wanted = |names: &[String]| -> Vec<String> {
            let kept = names.iter().filter(|name| !allow.may_miss(name));
            kept.map(|name| self.describe(name)).collect()
        };
        let wasted: Vec<String> = unused
            .iter()
            .filter(|name| !allow.may_waste(name, prefix))
            .map(|name| format!("`{name}` {:?}", self.file[name].size()))
            .collect();
        let total = self.variables.len();
        let complaints: Vec<String> = [
            (wanted(mismatched), "variables have another shape in it"),
            (wanted(missing), "variables are not in it"),
        ]
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("{} of {total} {what}: {}", names.len(), some_of(&names)))
        .chain((!wasted.is_empty()).then(|| {
            format!(
                "{} of its tensors have no place in the model: {}",
                wasted.len(),
                some_of(&wasted)
            )
        }))
        .collect();
        if complaints.is_empty() {
            return Ok(());
        }
        Err(format!("{}. {}", complaints.join("; "), self.advice()))
    }

    /// A variable with its shape, and the file's shape if it has one.
    fn describe(&self, name: &str) -> String {
        let of_model = self.variables.iter().find(|(n, _)| n == name);
        let shape = of_model.map_or_else(Vec::new, |(_, variable)| variable.size());
        match names::find(self.file, &self.report.prefix, name) {
            Some((_, weights)) => {
                format!("`{name}` {shape:?} (in the file {:?})", weights.size())
            }
            None => format!("`{name}` {shape:?}"),
        }
    }

    fn advice(&self) -> String {
        let prefix = &self.report.prefix;
        let of_file: Vec<_> = self
            .file
            .iter()
            .filter(|(name, _)| name.starts_with(prefix.as_str()))
            .map(|(name, tensor)| (name.as_str(), tensor.size()))
            .collect();
        let of_model: Vec<_> = self
            .variables
            .iter()
            .map(|(name, variable)| (name.as_str(), variable.size()))
            .collect();
        match (family(&of_file), family(&of_model)) {
            (Some(file), Some(model)) if file != model => {
                format!("The file looks like {file}, the model is {model}: change one of them")
            }
            _ => match self.file.keys().next() {
                Some(name) if self.report.applied == 0 => {
                    format!("Is it a file of another model? Its first tensor is `{name}`")
                }
                _ => "Is it a file of another variant of the model?".to_owned(),
            },
        }
    }
}

fn some_of(names: &[String]) -> String {
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown = &names[..names.len().min(SHOWN)];
    format!("{}{more}", shown.join(", "))
}
