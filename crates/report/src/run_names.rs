//! Short names of the runs in a report.

use crate::run::Run;

/// Names each run by the parts of its path that differ between the runs. A single run keeps the
/// last two parts of its path.
pub(crate) fn shorten(runs: &mut [Run]) {
    let paths: Vec<Vec<String>> = runs
        .iter()
        .map(|run| run.name.split('/').map(str::to_owned).collect())
        .collect();
    if let ([run], [path]) = (&mut *runs, &paths[..]) {
        run.name = path[path.len().saturating_sub(2)..].join("/");
        return;
    }
    let shortest = paths.iter().map(Vec::len).min().unwrap_or(0);
    let equal = |part: &dyn Fn(&Vec<String>) -> String| {
        let first = paths.first().map(part);
        paths.iter().all(|path| Some(part(path)) == first)
    };
    let first = (0..shortest)
        .take_while(|i| equal(&|path| path[*i].clone()))
        .count();
    let last = (1..=shortest.saturating_sub(first))
        .take_while(|i| equal(&|path| path[path.len() - i].clone()))
        .count();
    for (run, path) in runs.iter_mut().zip(&paths) {
        let different = &path[first..path.len() - last];
        if !different.is_empty() {
            run.name = different.join("/");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(names: &[&str]) -> Vec<String> {
        let run = |name: &&str| Run {
            name: (*name).to_owned(),
            ..Run::default()
        };
        let mut runs: Vec<Run> = names.iter().map(run).collect();
        shorten(&mut runs);
        runs.into_iter().map(|run| run.name).collect()
    }

    #[test]
    fn names_are_the_parts_that_differ() {
        assert_eq!(shortened(&["t/a/1-seed-0", "t/b-c/1-seed-0"]), ["a", "b-c"]);
        assert_eq!(shortened(&["runs/a", "runs/a/b"]), ["runs/a", "b"]);
        assert_eq!(shortened(&["/long/runs/a"]), ["runs/a"]);
        assert_eq!(shortened(&["a"]), ["a"]);
        assert_eq!(shortened(&["a", "a"]), ["a", "a"]);
    }
}
