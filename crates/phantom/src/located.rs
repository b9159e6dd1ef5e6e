//! Where a finding or a foreign object is on the film: mask, box and area.

use std::ops::Range;

use serde::Serialize;

use crate::finding::Finding;

/// A box in pixels of the film.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Number of columns.
    pub w: u32,
    /// Number of rows.
    pub h: u32,
}

impl Bounds {
    /// The smallest box around the set pixels of a row-major mask of `width` columns; only pixels
    /// in `columns` count. `None` if no pixel is set.
    pub(crate) fn of_mask(mask: &[u8], width: usize, columns: Range<usize>) -> Option<Self> {
        let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
        for (row, line) in mask.chunks_exact(width).enumerate() {
            let is_set = |&column: &usize| line[column] == 1;
            let Some(first) = columns.clone().find(is_set) else {
                continue;
            };
            let last = columns.clone().rfind(is_set).unwrap_or(first);
            left = left.min(first as u32);
            right = right.max(last as u32);
            top = top.min(row as u32);
            bottom = row as u32;
        }
        (left <= right).then(|| Self {
            x: left,
            y: top,
            w: right - left + 1,
            h: bottom - top + 1,
        })
    }
}

/// A finding, or a foreign object, with its place on the film.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Located<T = Finding> {
    /// The finding or the object.
    #[serde(flatten)]
    pub finding: T,
    /// The mask, row-major and as large as the film: 1 where the finding or object is, else 0.
    /// Empty in an [`Entry`](crate::Entry), which drops masks to save memory.
    #[serde(skip)]
    pub mask: Vec<u8>,
    /// The smallest box around the mask; all zeros if the mask is empty.
    #[serde(rename = "box")]
    pub bounds: Bounds,
    /// Set pixels of the mask.
    pub area: u64,
}

impl<T> Located<T> {
    /// Measures the box and the area of `mask`, which has `width` columns.
    pub(crate) fn new(finding: T, mask: Vec<u8>, width: usize) -> Self {
        Self {
            finding,
            bounds: Bounds::of_mask(&mask, width, 0..width).unwrap_or_default(),
            area: mask.iter().map(|&cell| u64::from(cell)).sum(),
            mask,
        }
    }

    /// Drops the mask, and keeps the box and the area.
    pub(crate) fn without_mask(self) -> Self {
        Self {
            mask: Vec::new(),
            ..self
        }
    }
}
