//! Text from files made safe to show: characters that steer a terminal or hide text become visible.

use std::borrow::Cow;

/// `text` with its control characters and those that hide or reorder text as `\u001b`. Line breaks
/// and tabs stay.
///
/// The form is also that of JSON, so a JSON text keeps its meaning.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && c != '\t' && is_hidden(c))
}

/// As [`visible`], for a text of one line: line breaks and tabs are escaped, too.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    escape(text, is_hidden)
}

/// The most characters of a message: the first and the last are kept.
const FIRST: usize = 1000;
const LAST: usize = 500;

/// A text that is short enough for a message. The middle of a longer text is left out: a damaged
/// file can have values of megabytes.
pub fn shortened(text: String) -> String {
    let characters = text.chars().count();
    if characters <= FIRST + LAST {
        return text;
    }
    let first: String = text.chars().take(FIRST).collect();
    let last: String = text.chars().skip(characters - LAST).collect();
    let left_out = characters - FIRST - LAST;
    format!("{first} … ({left_out} characters) … {last}")
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_escaped(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, marks of direction, and characters without width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(visible("a\u{1b}[31mb\u{9b}2J"), "a\\u001b[31mb\\u009b2J");
        assert_eq!(visible("größe: ≥ 2 cm\n\tc\r"), "größe: ≥ 2 cm\n\tc\\u000d");
        assert_eq!(visible_line("a\nb\u{202e}c"), "a\\u000ab\\u202ec");
        assert!(matches!(visible("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_middle_of_a_long_text_is_left_out() {
        let text = |length: usize| "ß".repeat(length);
        assert_eq!(shortened(text(1500)), text(1500));
        let expected = format!("{} … (1 characters) … {}", text(1000), text(500));
        assert_eq!(shortened(text(1501)), expected);
    }

    proptest! {
        #[test]
        fn json_keeps_its_meaning(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let shown = visible(&json);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
