//! Reproducible numbers without files, bit for bit the same as in `tests/oracle/formula.py`.

/// Returns `n` values in [-1, 1) that depend only on `name`.
pub fn values(name: &str, n: usize) -> Vec<f64> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (1..=n as u64)
        .map(|i| 2.0 * unit(hash.wrapping_add(i.wrapping_mul(GOLDEN_RATIO))) - 1.0)
        .collect()
}

const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns a number in [0, 1) by the last rounds of splitmix64.
fn unit(mut z: u64) -> f64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 53) as f64
}

/// Values of the parameter or buffer `name` of `shape`: matrices and kernels scaled by 1/√(fan in),
/// norms near 1, biases small.
pub fn weights(name: &str, shape: &[i64]) -> Vec<f64> {
    let size: i64 = shape.iter().product();
    let (offset, scale) = match shape {
        _ if name.ends_with("running_var") => (1.0, 0.2),
        [_, rest @ ..] if !rest.is_empty() => {
            (0.0, (3.0 / rest.iter().product::<i64>() as f64).sqrt())
        }
        _ if name.ends_with("weight") => (1.0, 0.1),
        _ => (0.0, 0.1),
    };
    values(name, size as usize)
        .into_iter()
        .map(|x| offset + scale * x)
        .collect()
}
