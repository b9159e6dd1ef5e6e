//! A look at a store: what it holds, in numbers and on a contact sheet.

mod choose;
mod sheet;

use mflag_core::Named;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use mflag_core::table::Table;
use mflag_film::Fit;
use serde::Serialize;
pub use sheet::{Sheet, contact_sheet};

use mflag_store::{Record, Split, Store};

/// What a store holds, in numbers.
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
    /// Train, validate and test, in this order.
    pub splits: Vec<Part>,
    /// Columns of the films as their files have them.
    pub columns: Option<Spread>,
    /// Rows of them.
    pub rows: Option<Spread>,
    /// Different reports.
    pub reports: usize,
    /// Words in a film's report.
    pub words: Option<Spread>,
}

/// The films of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The split.
    pub split: Split,
    /// Films.
    pub films: usize,
    /// Distinct patients.
    pub patients: usize,
    /// Distinct studies.
    pub studies: usize,
    /// Films with a report.
    pub with_report: usize,
    /// Films with a mask.
    pub with_mask: usize,
    /// Films with a box.
    pub with_boxes: usize,
    /// Films by label and raw value.
    pub labels: Vec<Label>,
    /// Boxes by label.
    pub boxes: BTreeMap<String, usize>,
}

/// Films by the raw value of a label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Its name.
    pub label: String,
    /// 1.
    pub present: usize,
    /// 0.
    pub absent: usize,
    /// −1.
    pub uncertain: usize,
    /// No value.
    pub empty: usize,
}

/// Least, quartiles and most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub least: usize,
    /// A quarter is at most this.
    pub lower: usize,
    /// Half of them are at most this.
    pub median: usize,
    /// Three quarters are at most this.
    pub upper: usize,
    /// The largest.
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
    let side = |of: usize| {
        records
            .iter()
            .filter_map(move |r| Some(r.size?[of] as usize))
    };
    Summary {
        dataset: store.meta().dataset.clone(),
        side: store.side(),
        fit: store.meta().squaring.fit,
        bad: store.meta().bad,
        splits: Split::ALL.iter().map(|split| part(store, *split)).collect(),
        columns: Spread::of(side(0)),
        rows: Spread::of(side(1)),
        reports: texts().collect::<HashSet<_>>().len(),
        words: Spread::of(texts().map(|text| text.split_whitespace().count())),
    }
}

fn part(store: &Store, split: Split) -> Part {
    let records: Vec<&Record> = store
        .records()
        .iter()
        .filter(|r| r.split == split)
        .collect();
    let count = |matches: fn(&Record) -> bool| records.iter().filter(|r| matches(r)).count();
    let distinct = |of: fn(&Record) -> &str| records.iter().map(|r| of(r)).collect::<HashSet<_>>();
    let labels = store.meta().labels.iter().enumerate();
    let mut boxes = BTreeMap::new();
    for found in records.iter().flat_map(|r| &r.boxes) {
        *boxes.entry(found.label.clone()).or_default() += 1;
    }
    Part {
        split,
        films: records.len(),
        patients: distinct(|r| &r.patient).len(),
        studies: distinct(|r| &r.study).len(),
        with_report: count(|r| r.text.is_some()),
        with_mask: count(|r| r.mask.is_some()),
        with_boxes: count(|r| !r.boxes.is_empty()),
        labels: labels
            .map(|(place, name)| label(&records, place, name))
            .collect(),
        boxes,
    }
}

fn label(records: &[&Record], place: usize, name: &str) -> Label {
    let mut label = Label {
        label: name.to_owned(),
        ..Label::default()
    };
    for record in records {
        let count = match record.labels.get(place).copied().flatten() {
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
        let parts = || self.splits.iter().filter(|part| part.films > 0);
        if parts().any(|part| !part.labels.is_empty()) {
            writeln!(
                f,
                "films by label: 1 present, 0 absent, -1 uncertain, empty not mentioned\n{}",
                self.labels()
            )?;
        }
        if parts().any(|part| !part.boxes.is_empty()) {
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

/// What is counted of a part or a label.
type Count<T> = fn(&T) -> usize;

impl Summary {
    fn counts(&self) -> Table {
        let mut table = Table::new(&["", "train", "validate", "test"]);
        let rows: [(&str, Count<Part>); 6] = [
            ("films", |part| part.films),
            ("patients", |part| part.patients),
            ("studies", |part| part.studies),
            ("with a report", |part| part.with_report),
            ("with a mask", |part| part.with_mask),
            ("with boxes", |part| part.with_boxes),
        ];
        for (name, count) in rows {
            let cells = self.splits.iter().map(|part| count(part).to_string());
            table.row(std::iter::once(name.to_owned()).chain(cells));
        }
        table
    }

    /// Splits without films and values that no label has are left out.
    fn labels(&self) -> Table {
        let parts: Vec<&Part> = self.splits.iter().filter(|part| part.films > 0).collect();
        let values: [(&str, Count<Label>); 4] = [
            ("1", |label| label.present),
            ("0", |label| label.absent),
            ("-1", |label| label.uncertain),
            ("empty", |label| label.empty),
        ];
        let occurs = |count: Count<Label>| {
            let mut all = parts.iter().flat_map(|part| &part.labels);
            all.any(|label| count(label) > 0)
        };
        let values = values.into_iter().filter(|(_, count)| occurs(*count));
        let values: Vec<_> = values.collect();

        let mut head = vec!["label".to_owned()];
        for part in &parts {
            let names = values.iter().map(|(name, _)| (*name).to_owned());
            let first = head.len();
            head.extend(names);
            head[first] = format!("{} {}", part.split.name(), head[first]);
        }
        let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
        let labels = parts.first().map_or(0, |part| part.labels.len());
        for place in 0..labels {
            let of_parts = || parts.iter().map(|part| &part.labels[place]);
            let name = of_parts().take(1).map(|label| label.label.clone());
            let cells = of_parts()
                .flat_map(|label| values.iter().map(|(_, count)| count(label).to_string()));
            table.row(name.chain(cells));
        }
        table
    }

    fn boxes(&self) -> Table {
        let mut table = Table::new(&["boxes", "train", "validate", "test"]);
        let names = self.splits.iter().flat_map(|part| part.boxes.keys());
        for name in names.collect::<BTreeSet<_>>() {
            let count = |part: &Part| part.boxes.get(name).copied().unwrap_or(0).to_string();
            table.row(std::iter::once(name.clone()).chain(self.splits.iter().map(count)));
        }
        table
    }
}
