//! Splits as published programs draw them: numpy's generator, scikit-learn's rule.

use rand_mt::Mt;

use mflag_store::Split;

/// The splits of `n` rows by two calls of scikit-learn's `train_test_split(…, random_state=seed)`, as MGCA makes them: the
/// first holds back ⌈(validate + test) · n⌉ rows, the second takes of these the share of `validate`, rounded up.
pub(super) fn splits(n: usize, validate: f64, test: f64, seed: u32) -> Vec<Split> {
    let mut splits = vec![Split::Train; n];
    let held = up((validate + test) * n as f64);
    let held = &permutation(n, seed)[..held.min(n)];
    let validated = up(validate / (validate + test) * held.len() as f64);
    for (place, row) in permutation(held.len(), seed).into_iter().enumerate() {
        let part = if place < validated {
            Split::Validate
        } else {
            Split::Test
        };
        splits[held[row]] = part;
    }
    splits
}

/// Rounded up, but for the error of a product of doubles.
fn up(rows: f64) -> usize {
    (rows - 1e-6).ceil() as usize
}

/// `numpy.random.RandomState(seed).permutation(n)`: Fisher and Yates from the end, each place by 32 bits of the Mersenne
/// Twister, of which too large ones are thrown away.
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
        /// Sums of the rows of each part, times their place: another order or row gives another sum.
        sums: [u64; 3],
        /// The splits of the first rows, as letters.
        begin: String,
    }

    /// Against scikit-learn (tests/oracle/splits.py), row by row: no tolerance.
    #[test]
    fn the_published_splits_are_drawn_again() {
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
            let told = format!(
                "{} rows, {} / {}, seed {}",
                g.rows, g.validate, g.test, g.seed
            );
            assert_eq!((counts, sums), (g.counts, g.sums), "{told}");
            let begin = splits.iter().take(g.begin.len()).map(|s| match s {
                Split::Train => 'r',
                Split::Validate => 'v',
                Split::Test => 'e',
            });
            assert_eq!(begin.collect::<String>(), g.begin, "{told}");
        }
    }

    #[test]
    fn nothing_drawn_is_all_training() {
        assert_eq!(splits(5, 0.0, 0.0, 0), vec![Split::Train; 5]);
        assert!(splits(0, 0.2, 0.2, 0).is_empty());
    }
}
