//! Rule 3: a report becomes ASCII on one line.

use clap::ValueEnum;
use deunicode::deunicode_char;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What happens to letters and signs that are not ASCII.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum NonAscii {
    /// Replace them by similar ASCII characters: é by e, ß by ss, ° by deg. Letters of other
    /// scripts than Latin are removed
    #[default]
    Fold,
    /// Remove them, as MGCA's preprocessing does
    Drop,
}

/// Applies rule 3.
pub(super) fn plain(text: &str, non_ascii: NonAscii) -> String {
    let mut ascii = String::with_capacity(text.len());
    match non_ascii {
        // Composed, so that letters with an accent are the same however they were written.
        NonAscii::Fold => text.nfc().for_each(|c| push(&mut ascii, c, folded)),
        NonAscii::Drop => text.chars().for_each(|c| push(&mut ascii, c, |_| "")),
    }
    let mut plain = String::with_capacity(ascii.len());
    for word in ascii.split_ascii_whitespace() {
        let decimal = word
            .strip_prefix('.')
            .is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()));
        let is_punctuation = word.starts_with([',', '.', ';', ':']) && !decimal;
        if !plain.is_empty() && !is_punctuation {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
}

/// Whether rule 3 removes a letter of the text.
pub(super) fn loses_letters(text: &str, non_ascii: NonAscii) -> bool {
    let is_lost = |c: char, other: &str| c.is_alphabetic() && !c.is_ascii() && other.is_empty();
    match non_ascii {
        NonAscii::Fold => text.nfc().any(|c| is_lost(c, folded(c))),
        NonAscii::Drop => text.chars().any(|c| is_lost(c, "")),
    }
}

/// Appends the ASCII characters for `c`. `other` finds those of characters without a rule.
fn push(ascii: &mut String, c: char, other: impl Fn(char) -> &'static str) {
    match c {
        '_' | '\u{fffd}' => ascii.push(' '),
        '\u{2018}' | '\u{2019}' => ascii.push('\''),
        '\u{201c}' | '\u{201d}' => ascii.push('"'),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => ascii.push('-'),
        '\u{2022}' => ascii.push('*'),
        '\u{d7}' => ascii.push('x'),
        c if c.is_whitespace() || c.is_control() => ascii.push(' '),
        c if c.is_ascii() => ascii.push(c),
        c => ascii.extend(other(c).chars().map(|c| if c == '_' { ' ' } else { c })),
    }
}

/// The ASCII characters that stand for a letter of the Latin script or a sign. Empty for letters of
/// other scripts, whose transliteration no language model of this program knows.
fn folded(c: char) -> &'static str {
    let is_latin_or_sign = matches!(c,
        '\u{80}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{2000}'..='\u{2bff}'
        | '\u{fb00}'..='\u{fb06}' | '\u{ff01}'..='\u{ff5e}');
    if !is_latin_or_sign || is_combining_mark(c) {
        return "";
    }
    deunicode_char(c).unwrap_or("")
}
