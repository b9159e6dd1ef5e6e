//! Limits of input files.

use std::io;

/// The most bytes of an input. No real input comes near it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The most bytes.
    pub bytes: u64,
    /// The input, such as "a table".
    pub what: &'static str,
    /// What to do with a larger input.
    pub advice: &'static str,
}

const MIB: u64 = 1 << 20;

/// A configuration, or another YAML file. The time of the YAML parser grows with the square of the
/// depth, so the limit is low.
pub const CONFIGURATION: Limit = Limit {
    bytes: 128 << 10,
    what: "a configuration",
    advice: "check the path, and split a configuration by `extends`",
};

/// A JSON file of a run, an evaluation, a store or a model.
pub const JSON: Limit = Limit {
    bytes: 64 * MIB,
    what: "a JSON file",
    advice: "check the path; if the program that wrote it was stopped, write it again",
};

/// A line of a file of JSON lines, such as a film's record.
pub const LINE: Limit = Limit {
    bytes: 16 * MIB,
    what: "a line",
    advice: "the file is damaged: restore it from a copy, or make it again",
};

/// A list of names, one a line.
pub const LIST: Limit = Limit {
    bytes: 64 * MIB,
    what: "a list",
    advice: "check the path; the list has one name a line",
};

/// The metrics of a run.
pub const METRICS: Limit = Limit {
    bytes: 256 * MIB,
    what: "the metrics of a run",
    advice: "keep the lines of fewer training steps in it",
};

/// A picture for a report.
pub const PICTURE: Limit = Limit {
    bytes: 32 * MIB,
    what: "a picture of a report",
    advice: "evaluate again, which draws it again",
};

/// A row of a table.
pub const RECORD: Limit = Limit {
    bytes: 4 * MIB,
    what: "a row of a table",
    advice: "look for a quotation mark that is not closed in that row",
};

/// A table that an mflag program wrote, such as that of an evaluation.
pub const RESULTS: Limit = Limit {
    bytes: 256 * MIB,
    what: "a table of results",
    advice: "check the path; if the program that wrote it was stopped, write it again",
};

/// The text of a report.
pub const REPORT: Limit = Limit {
    bytes: MIB,
    what: "the text of a report",
    advice: "check that the file is a report",
};

/// A table, after decompression.
pub const TABLE: Limit = Limit {
    bytes: 4096 * MIB,
    what: "a table (after decompression)",
    advice: "keep only the columns that are read and the rows of your films",
};

/// A tokenizer or a vocabulary.
pub const TOKENIZER: Limit = Limit {
    bytes: 64 * MIB,
    what: "a tokenizer",
    advice: "check that the file is the tokenizer of a BERT",
};

impl Limit {
    /// The error of an input of more bytes.
    pub fn exceeded(&self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Exceeded(*self))
    }
}

/// Whether an error says that an input exceeds its limit.
pub fn exceeds_limit(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Exceeded>())
}

#[derive(Debug)]
struct Exceeded(Limit);

impl std::error::Error for Exceeded {}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Limit {
            bytes,
            what,
            advice,
        } = self.0;
        let (size, unit) = if bytes < MIB {
            (bytes >> 10, "KiB")
        } else {
            (bytes / MIB, "MiB")
        };
        write!(
            f,
            "it has more bytes than the limit of {size} {unit} for {what}; {advice}"
        )
    }
}
