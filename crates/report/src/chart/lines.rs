//! Line charts.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::{Axis, Placed};
use super::{COLOURS, Ids, WIDTH, figure, px};
use crate::number::short;

const HEIGHT: f64 = 270.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = WIDTH - 18.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = HEIGHT - 44.0;
/// A series with more points has marks at only a few of them.
const MARKED_POINTS: usize = 30;
/// The largest number of points drawn of a series.
const DRAWN_POINTS: usize = 300;

/// The line of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stroke {
    #[default]
    Solid,
    /// Dashed, for published numbers.
    Dashed,
    /// Solid without marks, for curves whose points were not measured one by one.
    Plain,
}

/// A line through points, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// A point without a position on the axes, such as NaN, interrupts the line.
    pub(crate) points: Vec<[f64; 2]>,
    /// x, lower and upper end of a band behind the line.
    pub(crate) band: Vec<[f64; 3]>,
    /// x, lower and upper end of bars at single points.
    pub(crate) bars: Vec<[f64; 3]>,
    pub(crate) stroke: Stroke,
    /// Number of the series' colour and mark. `None`: its index among the series.
    pub(crate) style: Option<usize>,
}

/// A reference line.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// A value of y with its name.
    Level(f64, String),
    /// The diagonal from (0, 0) to (1, 1).
    Diagonal,
}

/// Series over two axes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    pub(crate) rules: Vec<Rule>,
}

impl Chart {
    /// Whether any point would be drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.series
            .iter()
            .all(|s| !s.points.iter().any(|p| self.shows(*p)))
    }

    /// Each series with the number of its colour and mark.
    fn styled(&self) -> impl Iterator<Item = (usize, &Series)> {
        let indexed = self.series.iter().enumerate();
        indexed.map(|(index, series)| (series.style.unwrap_or(index), series))
    }

    fn shows(&self, [x, y]: [f64; 2]) -> bool {
        self.x.shows(x) && self.y.shows(y)
    }

    /// The chart as a `figure`; `None` if no point would be drawn.
    pub(crate) fn shown(&self, ids: &Ids) -> Option<Markup> {
        (!self.is_empty()).then(|| self.render(ids))
    }

    /// The chart as a `figure`.
    pub(crate) fn render(&self, ids: &Ids) -> Markup {
        let all = || self.series.iter();
        let spans = || all().flat_map(|s| s.band.iter().chain(&s.bars));
        let xs = all().flat_map(|s| s.points.iter().map(|p| p[0]));
        let ys = all().flat_map(|s| s.points.iter().map(|p| p[1]));
        let levels = self.rules.iter().filter_map(|rule| match rule {
            Rule::Level(level, _) => Some(*level),
            Rule::Diagonal => None,
        });
        let ys = ys.chain(spans().flat_map(|b| [b[1], b[2]])).chain(levels);
        let x = self.x.place(xs.chain(spans().map(|b| b[0])), [LEFT, RIGHT]);
        let y = self.y.place(ys, [BOTTOM, TOP]);
        let drawing = html! {
            (self.frame(&x, &y))
            @for rule in &self.rules { (draw_rule(rule, &x, &y)) }
            @for (style, series) in self.styled() {
                g class={ "c" (style % COLOURS) } { (self.draw(series, style, &x, &y)) }
            }
        };
        figure(
            ids,
            &self.title,
            &self.words(),
            HEIGHT,
            &drawing,
            &self.legend(),
        )
    }

    /// Grid, axes, ticks and labels.
    fn frame(&self, x: &Placed, y: &Placed) -> Markup {
        html! {
            @for (value, text) in &y.ticks {
                @let at = y.at(*value);
                path class="grid" d={ "M" (px(LEFT)) " " (px(at)) "H" (px(RIGHT)) } {}
                text x=(px(LEFT - 6.0)) y=(px(at + 4.0)) text-anchor="end" { (text) }
            }
            @for (value, text) in &x.ticks {
                @let at = x.at(*value);
                path class="axis" d={ "M" (px(at)) " " (px(BOTTOM)) "v4" } {}
                text x=(px(at)) y=(px(BOTTOM + 17.0)) text-anchor="middle" { (text) }
            }
            path class="axis" d={ "M" (px(LEFT)) " " (px(BOTTOM)) "H" (px(RIGHT)) } {}
            text class="name" x="4" y="14" { (self.y.label) }
            text class="name" x=(px(RIGHT)) y=(px(HEIGHT - 6.0)) text-anchor="end" { (self.x.label) }
        }
    }

    /// The band, bars, line and marks of a series.
    fn draw(&self, series: &Series, style: usize, x: &Placed, y: &Placed) -> Markup {
        let points = keep_extremes(&series.points);
        let shown: Vec<[f64; 2]> = points.iter().copied().filter(|p| self.shows(*p)).collect();
        let few = shown.len() <= MARKED_POINTS;
        // A long series has about six marks, at other points than the other series.
        let apart = (shown.len() / 6).max(1);
        let marked = |n: usize| few || n % apart == (style * apart / 5) % apart;
        let dashed = series.stroke == Stroke::Dashed;
        html! {
            @if !series.band.is_empty() { path class="band" d=(band(&series.band, x, y)) {} }
            @for bar in series.bars.iter().filter(|b| self.x.shows(b[0])) {
                path class="bar" d={ "M" (px(x.at(bar[0]))) " " (px(y.at(bar[1]))) "V" (px(y.at(bar[2]))) } {}
            }
            path class=(if dashed { "line dashed" } else { "line" }) d=(self.path(&points, x, y)) {}
            @for (n, point) in shown.iter().enumerate() {
                @if self.is_alone(&points, *point) || (series.stroke != Stroke::Plain && marked(n)) {
                    (mark(style, [x.at(point[0]), y.at(point[1])], dashed, Some(&mark_title(series, *point, n))))
                }
            }
        }
    }

    /// Whether no line leads to a point, so that only a mark shows it.
    fn is_alone(&self, points: &[[f64; 2]], point: [f64; 2]) -> bool {
        let Some(at) = points.iter().position(|p| *p == point) else {
            return false;
        };
        let before = at.checked_sub(1).and_then(|before| points.get(before));
        let neighbours = [before, points.get(at + 1)];
        !neighbours.into_iter().flatten().any(|p| self.shows(*p))
    }

    /// The line as an SVG path, interrupted where a point has no position.
    fn path(&self, points: &[[f64; 2]], x: &Placed, y: &Placed) -> String {
        let (mut path, mut pen_down) = (String::new(), false);
        for point in points {
            if self.shows(*point) {
                let command = if pen_down { 'L' } else { 'M' };
                let (at_x, at_y) = (px(x.at(point[0])), px(y.at(point[1])));
                // Writing to a string cannot fail.
                let _ = write!(path, "{command}{at_x} {at_y}");
            }
            pen_down = self.shows(*point);
        }
        path
    }

    /// The names of the series; empty for a single series that needs no name.
    fn legend(&self) -> Markup {
        let needs_name = match &self.series[..] {
            [] => false,
            [only] => {
                let has_name = !only.name.is_empty() && only.name != self.y.label;
                has_name && self.rules.is_empty()
            }
            _ => true,
        };
        if !needs_name {
            return html! {};
        }
        html! {
            ul class="legend" {
                @for (style, series) in self.styled() {
                    li { (key(style, series.stroke)) (series.name) }
                }
            }
        }
    }

    /// The chart in words.
    fn words(&self) -> String {
        let mut text = format!("{} against {}.", self.y.label, self.x.label);
        for series in &self.series {
            let shown = || series.points.iter().filter(|p| self.shows(**p));
            let by_height = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
            let (Some(first), Some(last)) = (shown().next(), shown().next_back()) else {
                let _ = write!(text, " {}: no value.", series.name);
                continue;
            };
            let name = if series.name.is_empty() {
                "It"
            } else {
                &series.name
            };
            let at = |p: &[f64; 2]| format!("{} at {}", short(p[1]), self.tick(p[0]));
            let _ = write!(text, " {name}: from {} to {}", at(first), at(last));
            if let (Some(lowest), Some(highest)) =
                (shown().min_by(by_height), shown().max_by(by_height))
            {
                let _ = write!(text, ", lowest {}, highest {}.", at(lowest), at(highest));
            }
        }
        for rule in &self.rules {
            match rule {
                Rule::Level(level, name) => {
                    let _ = write!(text, " Level {name}: {}.", short(*level));
                }
                Rule::Diagonal => text.push_str(" The diagonal is chance."),
            }
        }
        text
    }

    /// A value of x as its tick shows it.
    fn tick(&self, value: f64) -> String {
        let own = self.x.ticks.iter().flatten().find(|(v, _)| *v == value);
        own.map_or_else(|| short(value), |(_, text)| text.clone())
    }
}

/// The text of a mark: name, value and interval.
fn mark_title(series: &Series, [x, y]: [f64; 2], n: usize) -> String {
    let bar = series.bars.get(n).filter(|bar| bar[0] == x);
    let interval = bar.map_or(String::new(), |b| {
        format!(" ({} to {})", short(b[1]), short(b[2]))
    });
    format!("{} {}{interval}", series.name, short(y))
}

fn draw_rule(rule: &Rule, x: &Placed, y: &Placed) -> Markup {
    match rule {
        Rule::Level(level, name) => html! {
            path class="rule" d={ "M" (px(LEFT)) " " (px(y.at(*level))) "H" (px(RIGHT)) } {}
            text class="name" x=(px(RIGHT)) y=(px(y.at(*level) - 4.0)) text-anchor="end" { (name) }
        },
        Rule::Diagonal => html! {
            path class="rule" d={ "M" (px(x.at(0.0))) " " (px(y.at(0.0))) "L" (px(x.at(1.0))) " " (px(y.at(1.0))) } {}
        },
    }
}

/// The outline of a band as an SVG path.
fn band(band: &[[f64; 3]], x: &Placed, y: &Placed) -> String {
    let above = band.iter().map(|b| (b[0], b[2]));
    let below = band.iter().rev().map(|b| (b[0], b[1]));
    let corners: Vec<String> = above
        .chain(below)
        .map(|(at, value)| format!("{} {}", px(x.at(at)), px(y.at(value))))
        .collect();
    format!("M{}Z", corners.join("L"))
}

/// The mark of a series: circle, square, triangle or diamond. Dashed lines have hollow marks.
fn mark(style: usize, [x, y]: [f64; 2], hollow: bool, text: Option<&str>) -> Markup {
    let at = |dx: f64, dy: f64| format!("{} {}", px(x + dx), px(y + dy));
    let corners: &[(f64, f64)] = match style % 4 {
        0 => &[],
        1 => &[(-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)],
        2 => &[(0.0, -4.4), (4.2, 3.2), (-4.2, 3.2)],
        _ => &[(0.0, -4.6), (4.6, 0.0), (0.0, 4.6), (-4.6, 0.0)],
    };
    let class = if hollow { "mark hollow" } else { "mark" };
    let path = corners
        .iter()
        .map(|(dx, dy)| at(*dx, *dy))
        .collect::<Vec<_>>()
        .join("L");
    html! {
        @if corners.is_empty() {
            circle class=(class) cx=(px(x)) cy=(px(y)) r="3.4" { @if let Some(text) = text { title { (text) } } }
        } @else {
            path class=(class) d={ "M" (path) "Z" } { @if let Some(text) = text { title { (text) } } }
        }
    }
}

/// The line of a series in the legend.
fn key(style: usize, stroke: Stroke) -> Markup {
    let dashed = stroke == Stroke::Dashed;
    html! {
        svg class={ "key c" (style % COLOURS) } viewBox="0 0 28 12" aria-hidden="true" {
            path class=(if dashed { "line dashed" } else { "line" }) d="M0 6H28" {}
            @if stroke != Stroke::Plain { (mark(style, [14.0, 6.0], dashed, None)) }
        }
    }
}

/// At most about [`DRAWN_POINTS`] points: the lowest and the highest of each part of the series, so
/// that peaks stay visible.
fn keep_extremes(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    if points.len() <= DRAWN_POINTS {
        return points.to_vec();
    }
    let part = (2 * points.len()).div_ceil(DRAWN_POINTS);
    let mut kept = Vec::with_capacity(DRAWN_POINTS + 2);
    for part in points.chunks(part) {
        let finite = || (0..part.len()).filter(|i| part[*i][1].is_finite());
        let by_height = |a: &usize, b: &usize| part[*a][1].total_cmp(&part[*b][1]);
        let (low, high) = (finite().min_by(by_height), finite().max_by(by_height));
        let (low, high) = (low.unwrap_or(0), high.unwrap_or(0));
        kept.push(part[low.min(high)]);
        if low != high {
            kept.push(part[low.max(high)]);
        }
    }
    kept.extend(points.last());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<[f64; 2]>) -> Chart {
        Chart {
            title: "Dice".into(),
            x: Axis::new("epoch"),
            y: Axis::new("Dice"),
            series: vec![Series {
                name: "validation".into(),
                points,
                ..Series::default()
            }],
            rules: vec![],
        }
    }

    #[test]
    fn a_chart_is_described_in_words() {
        let drawn = chart(vec![[0.0, 0.057], [1.0, f64::NAN], [2.0, 0.74], [3.0, 0.7]]);
        let words = drawn.words();
        assert_eq!(
            words,
            "Dice against epoch. validation: from 0.057 at 0 to 0.7 at 3, lowest 0.057 at 0, highest 0.74 at 2."
        );
        let html = drawn.render(&Ids::default()).into_string();
        assert!(
            html.contains(&words) && html.contains("role=\"img\""),
            "{html}"
        );
        // The line is interrupted at a missing value.
        assert!(!html.contains("NaN"), "{html}");
        assert_eq!(html.matches("<title>").count(), 3);
    }

    /// A run of a few steps logs one point; a series may have one value between missing ones.
    #[test]
    fn a_point_without_a_line_has_a_mark() {
        for (points, marks) in [
            (vec![[5.0, 0.7]], 1),
            (vec![[1.0, 0.7], [2.0, 0.6]], 0),
            (vec![[1.0, 0.7], [2.0, f64::NAN], [3.0, 0.5], [4.0, 0.4]], 1),
        ] {
            let mut drawn = chart(points);
            drawn.series[0].stroke = Stroke::Plain;
            let html = drawn.render(&Ids::default()).into_string();
            assert_eq!(html.matches("class=\"mark\"").count(), marks, "{html}");
        }
    }

    #[test]
    fn peaks_survive_thinning() {
        let mut points: Vec<[f64; 2]> = (0..10_000).map(|i| [f64::from(i), 1.0]).collect();
        points[4321][1] = 9.0;
        points[77][1] = f64::NAN;
        let kept = keep_extremes(&points);
        assert!(kept.len() <= DRAWN_POINTS + 2, "{}", kept.len());
        assert!(kept.contains(&[4321.0, 9.0]) && kept.last() == points.last());
        assert!(kept.windows(2).all(|w| w[0][0] < w[1][0] || w[0] == w[1]));
    }

    #[test]
    fn an_empty_chart_draws_no_point() {
        assert!(chart(vec![]).is_empty());
        assert!(chart(vec![[1.0, f64::NAN]]).is_empty());
        let html = chart(vec![]).render(&Ids::default()).into_string();
        assert!(html.contains("no value") && !html.contains("NaN"), "{html}");
    }
}
