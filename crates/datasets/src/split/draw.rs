//! Random splits as published programs draw them, with numpy's generator and scikit-learn's
//! `train_test_split`.

use rand_mt::Mt;

use mflag_store::Split;

/// The splits of `n` rows by two calls of scikit-learn's `train_test_split(…, random_state=seed)`,
/// as in MGCA's programs. The first call holds back ⌈(validate + test) · n⌉ rows. The second
/// assigns the share of `validate`, rounded up, of these rows to validation and the rest to test.
pub(super) fn splits(n: usize, validate: f64, test: f64, seed: u32) -> Vec<Split> {
    let mut splits = vec![Split::Train; n];
    let held_back = round_up((validate + test) * n as f64);
    let held_back = &permutation(n, seed)[..held_back.min(n)];
    let validated = round_up(validate / (validate + test) * held_back.len() as f64);
    for (index, row) in permutation(held_back.len(), seed).into_iter().enumerate() {
        splits[held_back[row]] = if index < validated {
            Split::Validate
        } else {
            Split::Test
        };
    }
    splits
}

/// Rounds up, except for an excess so small that it is a rounding error of the product.
fn round_up(rows: f64) -> usize {
    (rows - 1e-6).ceil() as usize
}

/// `numpy.random.RandomState(seed).permutation(n)`: a Fisher-Yates shuffle from the end. Each index
/// takes the low bits of a 32-bit number of the Mersenne Twister, and is drawn again while it is
/// too large.
fn permutation(n: usize, seed: u32) -> Vec<usize> {
    let mut random = Mt::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        let mask = usize::MAX >> last.leading_zeros();
        let other = loop {
            let drawn = random.next_u32() as usize & mask;
            if drawn <= last {
                break drawn;
            }
        };
        order.swap(last, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        rows: usize,
        validate: f64,
        test: f64,
        seed: u32,
        counts: [usize; 3],
        /// For each split, the sum over its rows of row number × position in the split. It changes
        /// if a row or the order differs.
        sums: [u64; 3],
        /// The splits of the first rows, as letters.
        begin: String,
    }

    /// Equals scikit-learn (tests/oracle/splits.py), row by row, without tolerance.
    #[test]
    fn splits_equal_those_of_scikit_learn() {
        let golden = include_str!("../../../../tests/golden/splits/drawn.json");
        let golden: Vec<Golden> = serde_json::from_str(golden).unwrap();
        assert!(golden.len() >= 8);
        for g in golden {
            let splits = splits(g.rows, g.validate, g.test, g.seed);
            let (mut counts, mut sums) = ([0; 3], [0; 3]);
            for (row, &split) in splits.iter().enumerate() {
                counts[split as usize] += 1;
                sums[split as usize] += row as u64 * counts[split as usize] as u64;
            }
            let case = format!(
                "{} rows, {} / {}, seed {}",
                g.rows, g.validate, g.test, g.seed
            );
            assert_eq!((counts, sums), (g.counts, g.sums), "{case}");
            let begin = splits.iter().take(g.begin.len()).map(|s| match s {
                Split::Train => 'r',
                Split::Validate => 'v',
                Split::Test => 'e',
            });
            assert_eq!(begin.collect::<String>(), g.begin, "{case}");
        }
    }

    #[test]
    fn without_parts_all_rows_train() {
        assert_eq!(splits(5, 0.0, 0.0, 0), vec![Split::Train; 5]);
        assert!(splits(0, 0.2, 0.2, 0).is_empty());
    }
}
