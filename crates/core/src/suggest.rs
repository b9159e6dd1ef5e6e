//! "Did you mean": the nearest right name.

/// The name of `known` that `name` is most likely a slip of; `None` if none is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&lower, &k.to_lowercase()), k))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// ` (did you mean 'x'?)` for the nearest name, or the list of all `known`.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!(" (did you mean '{near}'?)"),
        None => format!(
            " (known: {})",
            known.into_iter().collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["learning_rate", "weight_decay", "betas"];
        assert_eq!(nearest("learning_rat", known), Some("learning_rate"));
        assert_eq!(nearest("Weight-Decay", known), Some("weight_decay"));
        assert_eq!(nearest("zzz", known), None);
        assert!(hint("zzz", known).contains("known: learning_rate, weight_decay, betas"));
    }
}
