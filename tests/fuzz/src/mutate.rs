//! Mutations of files: of bytes, and of the structure of texts.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// The longest mutated file, in bytes.
const LONGEST: usize = 1 << 20;

/// Numbers in texts become these.
const NUMBERS: [&str; 20] = [
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "1e-320",
    "1e999",
    "NaN",
    "0.5",
];

/// Texts that mean something to a parser.
const WORDS: [&str; 36] = [
    "null",
    "true",
    "\"\"",
    "{}",
    "[]",
    "\"",
    "'",
    ",",
    ";",
    "\t",
    "\n",
    "\r\n",
    "\u{feff}",
    "\0",
    "\u{1b}[31m",
    "=1+1",
    "..",
    "/",
    "../../../etc/passwd",
    "/dev/zero",
    "&a",
    "*a",
    "<<: ",
    "!!binary ",
    "---\n",
    "Findings:",
    "IMPRESSION:",
    "\u{e9}",
    "e\u{301}",
    "\u{202e}",
    "\u{1f600}",
    "[UNK]",
    "[CLS]",
    "##",
    "inf",
    "-0.0",
];

/// Values of binary fields become these.
const FIELDS: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX,
];

/// A mutated copy of `seed`. Parts of `other`, another seed of the format, may be copied into it.
pub(crate) fn mutate(random: &mut ChaCha8Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let is_text = str::from_utf8(seed).is_ok();
    let mut bytes = seed.to_vec();
    // Mostly few mutations: with many, no file gets beyond its first lines.
    let count = 1 + (random.random::<f64>().powi(3) * 12.0) as usize;
    for _ in 0..count {
        if is_text && random.random_bool(0.7) {
            mutate_text(random, &mut bytes);
        } else {
            mutate_bytes(random, &mut bytes, other);
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn mutate_bytes(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.random_range(0..=bytes.len());
    let part = part(random, bytes.len());
    match random.random_range(0..9) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(part)),
        2 => {
            let copy = bytes[part].to_vec();
            let times = 1 << random.random_range(0..8);
            insert(bytes, at, &copy.repeat(times));
        }
        3 => {
            let copy = other[self::part(random, other.len())].to_vec();
            insert(bytes, at, &copy);
        }
        4 => {
            let new: Vec<u8> = (0..random.random_range(1..16))
                .map(|_| random.random())
                .collect();
            insert(bytes, at, &new);
        }
        5 => {
            let field = FIELDS.choose(random).copied().unwrap_or(0);
            let width = [1, 2, 4, 8][random.random_range(0..4)];
            let (little, big) = (field.to_le_bytes(), field.to_be_bytes());
            let field = match random.random_bool(0.5) {
                true => &little[..width],
                false => &big[8 - width..],
            };
            let end = bytes.len().min(at + width);
            let length = end - at;
            bytes[at..end].copy_from_slice(&field[..length]);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = match random.random_bool(0.5) {
                    true => *byte ^ (1 << random.random_range(0..8)),
                    false => random.random(),
                };
            }
        }
    }
}

fn mutate_text(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let at = random.random_range(0..=bytes.len());
    match random.random_range(0..8) {
        0 | 1 => {
            if let Some(number) = number_after(bytes, at) {
                let new = NUMBERS.choose(random).copied().unwrap_or("0");
                bytes.splice(number, new.bytes());
            }
        }
        2 | 3 => {
            let word = WORDS.choose(random).copied().unwrap_or("null");
            insert(bytes, at, word.as_bytes());
        }
        4 => {
            let bracket = ["[", "{", "(", "{\"a\":", "- ", "\"", "a: {"][random.random_range(0..7)];
            let times = 1 << random.random_range(0..17);
            insert(bytes, at, bracket.repeat(times).as_bytes());
        }
        5 => {
            let line = line_around(bytes, at);
            let copy = bytes[line.clone()].to_vec();
            let times = 1 << random.random_range(0..10);
            insert(bytes, line.end, &copy.repeat(times));
        }
        6 => drop(bytes.drain(line_around(bytes, at))),
        _ => {
            let (one, two) = (line_around(bytes, at), random.random_range(0..=bytes.len()));
            let copy = bytes[one].to_vec();
            let end = line_around(bytes, two).end;
            insert(bytes, end, &copy);
        }
    }
}

/// A part of a file of this length: mostly short.
fn part(random: &mut ChaCha8Rng, length: usize) -> std::ops::Range<usize> {
    let start = random.random_range(0..=length);
    let share = random.random::<f64>().powi(4);
    start..start + ((length - start) as f64 * share) as usize
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let room = LONGEST.saturating_sub(bytes.len());
    bytes.splice(at..at, new.iter().take(room).copied());
}

/// The next run of digits.
fn number_after(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let start = at + bytes[at..].iter().position(u8::is_ascii_digit)?;
    let digits = bytes[start..].iter().take_while(|b| b.is_ascii_digit());
    Some(start..start + digits.count())
}

/// The line around a position, with its line feed.
fn line_around(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let start = bytes[..at].iter().rposition(|b| *b == b'\n');
    let end = bytes[at..].iter().position(|b| *b == b'\n');
    start.map_or(0, |start| start + 1)..end.map_or(bytes.len(), |end| at + end + 1)
}
