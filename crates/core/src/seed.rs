//! Random numbers that depend only on (seed, epoch, index), so that they are the same on any number
//! of threads and after a resume.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The index that [`permutation`] gives to [`rng`]. No sample has this index.
const SHUFFLE: u64 = u64::MAX;

/// The random generator of sample `index` in `epoch`. Its stream must never change: resumed runs
/// depend on it.
pub fn rng(seed: u64, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    key[24..].copy_from_slice(b"mflag-01");
    ChaCha8Rng::from_seed(key)
}

/// The order of `n` samples in `epoch`: a permutation of `0..n`, different in each epoch.
pub fn permutation(seed: u64, epoch: u64, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.shuffle(&mut rng(seed, epoch, SHUFFLE));
    order
}

/// A number in [0, 1) that depends only on `purpose`, `seed` and `name`. The numbers of many names
/// are uniformly distributed; different purposes or seeds give independent numbers. The values must
/// never change: splits and subsets of data sets depend on them.
pub fn uniform(purpose: &[u8; 14], seed: u64, name: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(purpose);
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut bits = [0; 8];
    bits.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(bits) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::RngCore;

    #[test]
    fn the_stream_never_changes() {
        assert_eq!(rng(1, 2, 3).next_u64(), 4_365_667_118_559_371_495);
        assert_eq!(permutation(7, 0, 6), [4, 0, 5, 3, 2, 1]);
    }

    proptest! {
        #[test]
        fn an_order_has_each_sample_once(seed: u64, epoch in 0u64..1000, n in 0usize..500) {
            let mut order = permutation(seed, epoch, n);
            order.sort_unstable();
            prop_assert!(order.iter().copied().eq(0..n as u32));
        }

        #[test]
        fn samples_and_epochs_have_different_streams(
            seed: u64,
            epoch in 0u64..1000,
            index in 0u64..1000,
        ) {
            let draw = |e, i| rng(seed, e, i).next_u64();
            prop_assert_ne!(draw(epoch, index), draw(epoch, index + 1));
            prop_assert_ne!(draw(epoch, index), draw(epoch + 1, index));
        }
    }
}
