//! Strokes: lines of varying width, from which bones, vessels, tubes, wires and letters are drawn.

/// A point of a stroke.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) x: f32,
    pub(crate) y: f32,
    /// Half of the stroke's width here.
    pub(crate) half: f32,
    /// The attenuation that the stroke adds here, at its axis.
    pub(crate) amp: f32,
}

impl Node {
    pub(crate) fn new(x: f32, y: f32, half: f32, amp: f32) -> Self {
        Self { x, y, half, amp }
    }
}

/// How a stroke's attenuation varies across its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A solid cylinder: strongest at the axis.
    Round,
    /// A hollow bone: both cortical rims are brighter than the marrow.
    Cortical,
    /// The same attenuation across the whole width.
    Flat,
}

impl Profile {
    /// The factor at distance `q` from the axis; 1 is the border.
    pub(crate) fn at(self, q: f32) -> f32 {
        let q2 = q * q;
        match self {
            Self::Round => 1.0 - q2,
            Self::Cortical => (0.55 + 0.9 * q2 * q2) * ((1.0 - q2) * 3.2).min(1.0),
            Self::Flat => ((1.0 - q) * 4.0).min(1.0),
        }
    }
}

/// A line of the film: a tube, a wire, a bone, a vessel.
#[derive(Debug, Clone)]
pub(crate) struct Stroke {
    pub(crate) nodes: Vec<Node>,
    pub(crate) profile: Profile,
}

impl Stroke {
    pub(crate) fn new(nodes: Vec<Node>, profile: Profile) -> Self {
        Self { nodes, profile }
    }

    /// A smooth line of constant half width and attenuation through points.
    pub(crate) fn line(points: &[(f32, f32)], half: f32, amp: f32, profile: Profile) -> Self {
        let nodes = smooth(points)
            .into_iter()
            .map(|(x, y)| Node::new(x, y, half, amp))
            .collect();
        Self { nodes, profile }
    }

    /// A disc, drawn as a line of the short length `length`.
    pub(crate) fn disc(
        (x, y): (f32, f32),
        length: f32,
        radius: f32,
        amp: f32,
        profile: Profile,
    ) -> Self {
        Self::line(&[(x, y), (x + length, y)], radius, amp, profile)
    }
}

/// Points along a Catmull-Rom spline through the given points.
pub(crate) fn smooth(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    const STEPS: usize = 6;
    let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
    let mut out = Vec::with_capacity(points.len() * STEPS);
    for i in 0..points.len().saturating_sub(1) as isize {
        let [p, q, r, s] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
        for step in 0..STEPS {
            let t = step as f32 / STEPS as f32;
            let blend = |a: f32, b: f32, c: f32, d: f32| {
                b + 0.5
                    * t
                    * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
            };
            out.push((blend(p.0, q.0, r.0, s.0), blend(p.1, q.1, r.1, s.1)));
        }
    }
    out.extend(points.last());
    out
}
