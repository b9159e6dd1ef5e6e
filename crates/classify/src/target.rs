//! The labels of a film.

use mflag_store::labels::Targets;

use crate::config::Task;

/// Whether each label is present; `None` where this is unknown. For the task `multi_class`, either
/// every entry is known or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(pub Vec<Option<bool>>);

impl Target {
    /// The target of a film whose labels have these raw values in the store.
    pub(crate) fn new(task: Task, targets: &Targets, values: &[Option<f32>]) -> Target {
        let mut truth = targets.truth(values);
        let present = truth.iter().filter(|label| **label == Some(true)).count();
        if task == Task::MultiClass && (present != 1 || truth.contains(&None)) {
            truth.fill(None);
        }
        Target(truth)
    }

    /// Whether any label is known.
    pub(crate) fn is_known(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// The first label that is present.
    pub(crate) fn class(&self) -> Option<usize> {
        self.0.iter().position(|label| *label == Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_store::labels::Policy;

    #[test]
    fn a_class_is_known_if_it_is_the_only_one() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let target = |task, policy: Policy, values: [Option<f32>; 3]| {
            Target::new(task, &policy.targets(&labels).unwrap(), &values).0
        };
        let (yes, no) = (Some(true), Some(false));
        let class = |values| target(Task::MultiClass, Policy::Zeros, values);
        assert_eq!(class([Some(0.0), Some(1.0), None]), [no, yes, no]);
        assert_eq!(class([Some(1.0), Some(1.0), None]), [None; 3]);
        assert_eq!(class([Some(0.0), Some(0.0), Some(-1.0)]), [None; 3]);
        let uncertain = [Some(1.0), Some(-1.0), None];
        assert_eq!(
            target(Task::MultiClass, Policy::Ignore, uncertain),
            [None; 3],
            "the uncertain label may be the class"
        );
        assert_eq!(
            target(Task::MultiLabel, Policy::Ignore, uncertain),
            [yes, None, no]
        );
        assert_eq!(
            target(Task::MultiLabel, Policy::Zeros, [None; 3]),
            [None; 3],
            "a film without any label is not labelled"
        );
    }
}
