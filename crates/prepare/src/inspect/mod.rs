//! Inspects a store: counts what it holds, and draws a contact sheet.

mod choose;
mod sheet;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use mflag_core::Named;
use mflag_core::table::Table;
use mflag_film::Fit;
use mflag_store::{Record, Split, Store};
use serde::Serialize;

pub use sheet::{Sheet, contact_sheet};

/// Counts of what a store holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the data set.
    pub dataset: String,
    /// Side of the squares in pixels.
    pub side: u32,
    /// How films became squares.
    pub fit: Fit,
    /// Films that could not be prepared.
    pub bad: usize,
    /// Counts of train, validate and test, in this order.
    pub splits: Vec<SplitSummary>,
    /// Columns of the original films.
    pub columns: Option<Spread>,
    /// Rows of the original films.
    pub rows: Option<Spread>,
    /// Different reports.
    pub reports: usize,
    /// Words in a film's report.
    pub words: Option<Spread>,
}

/// Counts of the films of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitSummary {
    /// The split.
    pub split: Split,
    /// All films.
    pub films: usize,
    /// Different patients.
    pub patients: usize,
    /// Different studies.
    pub studies: usize,
    /// Films with a report.
    pub with_report: usize,
    /// Films with a mask.
    pub with_mask: usize,
    /// Films with at least one box.
    pub with_boxes: usize,
    /// Films of each label, by value.
    pub labels: Vec<LabelSummary>,
    /// Boxes of each label.
    pub boxes: BTreeMap<String, usize>,
}

/// Films of a label, by value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LabelSummary {
    /// Name of the label.
    pub label: String,
    /// Films with the value 1.
    pub present: usize,
    /// Films with the value 0.
    pub absent: usize,
    /// Films with the value −1.
    pub uncertain: usize,
    /// Films without a value.
    pub empty: usize,
}

/// Minimum, quartiles and maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Minimum.
    pub least: usize,
    /// First quartile.
    pub lower: usize,
    /// Median.
    pub median: usize,
    /// Third quartile.
    pub upper: usize,
    /// Maximum.
    pub most: usize,
}

impl Spread {
    fn of(values: impl Iterator<Item = usize>) -> Option<Spread> {
        let mut values: Vec<usize> = values.collect();
        values.sort_unstable();
        let last = values.len().checked_sub(1)?;
        let [least, lower, median, upper, most] =
            [0, 1, 2, 3, 4].map(|quarter| values[last * quarter / 4]);
        Some(Spread {
            least,
            lower,
            median,
            upper,
            most,
        })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spread {
            least,
            lower,
            median,
            upper,
            most,
        } = self;
        if least == most {
            return write!(f, "{least}");
        }
        write!(
            f,
            "{least} to {most}, half of them {lower} to {upper}, median {median}"
        )
    }
}

/// Counts what `store` holds.
pub fn summary(store: &Store) -> Summary {
    let records = store.records();
    let texts = || records.iter().filter_map(|r| r.text.as_deref());
    let lengths = |axis: usize| {
        let sizes = records.iter().filter_map(|r| r.size);
        sizes.map(move |size| size[axis] as usize)
    };
    Summary {
        dataset: store.meta().dataset.clone(),
        side: store.side(),
        fit: store.meta().squaring.fit,
        bad: store.meta().bad,
        splits: Split::ALL
            .iter()
            .map(|split| split_summary(store, *split))
            .collect(),
        columns: Spread::of(lengths(0)),
        rows: Spread::of(lengths(1)),
        reports: texts().collect::<HashSet<_>>().len(),
        words: Spread::of(texts().map(|text| text.split_whitespace().count())),
    }
}

fn split_summary(store: &Store, split: Split) -> SplitSummary {
    let records: Vec<&Record> = store
        .records()
        .iter()
        .filter(|r| r.split == split)
        .collect();
    let count = |matches: fn(&Record) -> bool| records.iter().filter(|r| matches(r)).count();
    let different = |name: fn(&Record) -> &str| {
        records
            .iter()
            .map(|r| name(r))
            .collect::<HashSet<_>>()
            .len()
    };
    let labels = store.meta().labels.iter().enumerate();
    let mut boxes = BTreeMap::new();
    for found in records.iter().flat_map(|r| &r.boxes) {
        *boxes.entry(found.label.clone()).or_default() += 1;
    }
    SplitSummary {
        split,
        films: records.len(),
        patients: different(|r| &r.patient),
        studies: different(|r| &r.study),
        with_report: count(|r| r.text.is_some()),
        with_mask: count(|r| r.mask.is_some()),
        with_boxes: count(|r| !r.boxes.is_empty()),
        labels: labels
            .map(|(index, name)| label_summary(&records, index, name))
            .collect(),
        boxes,
    }
}

fn label_summary(records: &[&Record], index: usize, name: &str) -> LabelSummary {
    let mut label = LabelSummary {
        label: name.to_owned(),
        ..LabelSummary::default()
    };
    for record in records {
        let count = match record.labels.get(index).copied().flatten() {
            Some(value) if value > 0.0 => &mut label.present,
            Some(value) if value < 0.0 => &mut label.uncertain,
            Some(_) => &mut label.absent,
            None => &mut label.empty,
        };
        *count += 1;
    }
    label
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.counts())?;
        if self
            .splits
            .iter()
            .any(|split| !split.labels.is_empty() && split.films > 0)
        {
            writeln!(
                f,
                "films by label: 1 present, 0 absent, -1 uncertain, empty not mentioned\n{}",
                self.labels()
            )?;
        }
        if self.splits.iter().any(|split| !split.boxes.is_empty()) {
            writeln!(f, "{}", self.boxes())?;
        }
        if let (Some(columns), Some(rows)) = (self.columns, self.rows) {
            writeln!(f, "columns of a film: {columns}\nrows of a film: {rows}")?;
        }
        match self.words {
            Some(words) => write!(
                f,
                "words in a report: {words}; {} different reports",
                self.reports
            ),
            None => write!(f, "no reports"),
        }
    }
}

/// A function that returns one count of a split or a label.
type Count<T> = fn(&T) -> usize;

impl Summary {
    fn counts(&self) -> Table {
        let mut table = Table::new(&["", "train", "validate", "test"]);
        let rows: [(&str, Count<SplitSummary>); 6] = [
            ("films", |split| split.films),
            ("patients", |split| split.patients),
            ("studies", |split| split.studies),
            ("with a report", |split| split.with_report),
            ("with a mask", |split| split.with_mask),
            ("with boxes", |split| split.with_boxes),
        ];
        for (name, count) in rows {
            let cells = self.splits.iter().map(|part| count(part).to_string());
            table.row(std::iter::once(name.to_owned()).chain(cells));
        }
        table
    }

    /// The films of each label, by split and value. Leaves out splits without films, and values
    /// that no label has.
    fn labels(&self) -> Table {
        let splits: Vec<&SplitSummary> = self.splits.iter().filter(|s| s.films > 0).collect();
        let values: [(&str, Count<LabelSummary>); 4] = [
            ("1", |label| label.present),
            ("0", |label| label.absent),
            ("-1", |label| label.uncertain),
            ("empty", |label| label.empty),
        ];
        let occurs = |count: Count<LabelSummary>| {
            let mut labels = splits.iter().flat_map(|split| &split.labels);
            labels.any(|label| count(label) > 0)
        };
        let values = values.into_iter().filter(|(_, count)| occurs(*count));
        let values: Vec<_> = values.collect();

        let mut header = vec!["label".to_owned()];
        for split in &splits {
            // Only the first column of a split has its name.
            let first = header.len();
            header.extend(values.iter().map(|(value, _)| (*value).to_owned()));
            header[first] = format!("{} {}", split.split.name(), header[first]);
        }
        let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
        let names = splits.first().map_or(&[][..], |split| &split.labels);
        for (index, label) in names.iter().enumerate() {
            let labels = splits.iter().map(|split| &split.labels[index]);
            let cells = labels.flat_map(|l| values.iter().map(|(_, count)| count(l).to_string()));
            table.row(std::iter::once(label.label.clone()).chain(cells));
        }
        table
    }

    fn boxes(&self) -> Table {
        let mut table = Table::new(&["boxes", "train", "validate", "test"]);
        let names = self.splits.iter().flat_map(|split| split.boxes.keys());
        for name in names.collect::<BTreeSet<_>>() {
            let count =
                |split: &SplitSummary| split.boxes.get(name).copied().unwrap_or(0).to_string();
            table.row(std::iter::once(name.clone()).chain(self.splits.iter().map(count)));
        }
        table
    }
}
