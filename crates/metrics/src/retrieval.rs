//! Retrieval between films and reports: how often a query finds its partner.

use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

/// Number of queries that a task compares at once. This limits memory to `BLOCK × m` similarities
/// per thread, for `m` rows of the gallery.
const BLOCK: usize = 128;

/// Recall at each `k` of `ks`: the share of queries with a match among their `k` nearest gallery
/// rows.
///
/// `queries` is `[n, d]` and `gallery` `[m, d]`, both with unit rows, compared by dot product. Row
/// `j` of the gallery matches query `i` if `gallery_group[j] == query_group[i]`. Reports with the
/// same text are one group, so finding an identical report counts. Ties count against the query, so
/// a collapsed space, where all similarities are equal, scores 0 and not 1. `None` without queries,
/// or if the lengths do not agree.
pub fn recall(
    queries: ArrayView2<'_, f32>,
    gallery: ArrayView2<'_, f32>,
    query_group: &[u32],
    gallery_group: &[u32],
    ks: &[usize],
) -> Option<Vec<f64>> {
    let n = queries.nrows();
    let agree = n == query_group.len()
        && gallery.nrows() == gallery_group.len()
        && queries.ncols() == gallery.ncols();
    if n == 0 || !agree {
        return None;
    }
    let ahead: Vec<usize> = (0..n.div_ceil(BLOCK))
        .into_par_iter()
        .flat_map_iter(|block| {
            let rows = block * BLOCK..((block + 1) * BLOCK).min(n);
            let similarity = queries.slice(s![rows.clone(), ..]).dot(&gallery.t());
            let groups = &query_group[rows];
            let ahead: Vec<usize> = similarity
                .axis_iter(Axis(0))
                .zip(groups)
                .map(|(row, group)| competitors_ahead(row.iter().copied(), *group, gallery_group))
                .collect();
            ahead
        })
        .collect();
    let share = |k: usize| ahead.iter().filter(|a| **a < k).count() as f64 / n as f64;
    Some(ks.iter().map(|k| share(*k)).collect())
}

/// How many gallery rows without a match are at least as similar as the best match.
#[allow(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "NaN counts against the query"
)]
fn competitors_ahead(row: impl Iterator<Item = f32> + Clone, group: u32, groups: &[u32]) -> usize {
    let best = row
        .clone()
        .zip(groups)
        .filter(|(_, g)| **g == group)
        .map(|(s, _)| s)
        .fold(f32::NEG_INFINITY, f32::max);
    row.zip(groups)
        .filter(|(s, g)| **g != group && !(*s < best))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn unique(n: usize) -> Vec<u32> {
        (0..n as u32).collect()
    }

    #[test]
    fn recall_is_one_if_each_query_is_nearest_to_its_own_pair() {
        let x: Array2<f32> = Array2::eye(300);
        let ids = unique(300);
        let r = recall(x.view(), x.view(), &ids, &ids, &[1, 5]).unwrap();
        assert_eq!(r, [1.0, 1.0]);
    }

    #[test]
    fn a_collapsed_space_scores_zero() {
        let x = Array2::from_shape_fn((20, 3), |_| 0.577_f32);
        let ids = unique(20);
        assert_eq!(
            recall(x.view(), x.view(), &ids, &ids, &[1, 10]).unwrap(),
            [0.0, 0.0]
        );
    }

    #[test]
    fn an_identical_text_is_a_match() {
        let queries = array![[1.0_f32, 0.0]];
        let gallery = array![[1.0_f32, 0.0], [0.8, 0.6]];
        let r = recall(queries.view(), gallery.view(), &[7], &[7, 7], &[1]).unwrap();
        assert_eq!(r, [1.0]);
        let r = recall(queries.view(), gallery.view(), &[7], &[1, 7], &[1, 2]).unwrap();
        assert_eq!(r, [0.0, 1.0]);
    }

    #[test]
    fn recall_without_queries_is_undefined() {
        let empty = Array2::<f32>::zeros((0, 2));
        assert_eq!(recall(empty.view(), empty.view(), &[], &[], &[1]), None);
    }
}
