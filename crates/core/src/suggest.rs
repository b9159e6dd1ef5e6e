//! Suggestions for misspelled names: "did you mean ...?".

/// The `known` name that is most similar to `name`. `None` if none is similar.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&lower, &k.to_lowercase()), k))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// ` (did you mean 'x'?)` for the most similar name, or else ` (known: ...)` with all names.
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
    fn misspelled_names_are_found() {
        let known = ["learning_rate", "weight_decay", "betas"];
        assert_eq!(nearest("learning_rat", known), Some("learning_rate"));
        assert_eq!(nearest("Weight-Decay", known), Some("weight_decay"));
        assert_eq!(nearest("zzz", known), None);
        assert!(hint("zzz", known).contains("known: learning_rate, weight_decay, betas"));
    }
}
