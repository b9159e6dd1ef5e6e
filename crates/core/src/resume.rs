//! The settings that may change when a run is resumed: its length, its place on the disk and on the
//! machine, but nothing of what it learns from.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{Config, dotted_keys};
use crate::run::{Difference, differences};
use crate::{Error, Result};

/// The keys of files and folders that a run reads. Their content may not change, except for the
/// text cache, which is filled again.
const PATHS: [&str; 4] = ["data.store", "encoder.weights", "text.model", "text.cache"];

/// The other keys that may change.
const CHANGEABLE: [&str; 11] = [
    "train.epochs",
    "train.patience",
    "train.stop_after_steps",
    "train.log_every",
    "train.validate_every",
    "train.checkpoint_every",
    "train.device",
    "train.threads",
    "data.num_workers",
    "data.prefetch",
    "data.feature_cache_mib",
];

/// Finds what a resumed run changes. `trained` is the configuration that its checkpoint was trained
/// with, and `config` that of its `config.yaml` with the overrides `sets` (`a.b=value`).
///
/// # Errors
/// If `config.yaml` was edited, or an override changes a setting that must stay as it is. The
/// message names the keys of the run in the folder `run`, and the way to go on.
pub fn changes<T: Serialize>(
    run: &Path,
    trained: &T,
    config: &T,
    sets: &[String],
) -> Result<Vec<Difference>> {
    let changes = differences(trained, config)?;
    let (asked, edited): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| is_set(&change.key, sets));
    refuse_edited(run, &edited)?;
    let fixed: Vec<_> = asked.into_iter().filter(|c| !may_change(c)).collect();
    if !fixed.is_empty() {
        return Err(problem(
            run,
            format!(
                "a run that is resumed cannot change {}; it may change {}. Start a new run, with \
                 encoder.weights from this one if that helps",
                listed(&fixed),
                changeable()
            ),
        ));
    }
    Ok(changes)
}

/// Checks that `config`, the content of the run's `config.yaml`, still describes the model that was
/// trained with the configuration `trained`.
///
/// # Errors
/// If another setting differs than those that a resumed run may change. The message names the keys.
pub fn check_unedited<T: Serialize>(run: &Path, trained: &T, config: &T) -> Result<()> {
    let changes = differences(trained, config)?;
    let edited: Vec<_> = changes.iter().filter(|c| !may_change(c)).collect();
    refuse_edited(run, &edited)
}

fn refuse_edited(run: &Path, edited: &[&Difference]) -> Result<()> {
    if edited.is_empty() {
        return Ok(());
    }
    Err(problem(
        run,
        format!(
            "its config.yaml is not what the run was trained with ({}): undo the edit, and give \
             changes by --resume --set KEY=VALUE (it may change {})",
            listed(edited),
            changeable()
        ),
    ))
}

fn may_change(change: &Difference) -> bool {
    let mut keys = CHANGEABLE.iter().chain(&PATHS);
    keys.any(|key| *key == change.key)
}

/// Overrides for the relative paths of `config` that do not exist in the present folder, but in a
/// folder above the run: a run that was moved together with its store, or that is resumed from
/// another folder. Paths that `sets` names are left alone.
///
/// # Errors
/// If the configuration has no JSON form.
pub fn moved_paths<T: Config>(run: &Path, config: &T, sets: &[String]) -> Result<Vec<String>> {
    let json = serde_json::to_value(config).map_err(|e| Error::Internal(e.to_string()))?;
    let values = dotted_keys(&json);
    let found = PATHS.iter().filter(|key| !is_set(key, sets));
    let found = found.filter_map(|key| {
        let path = values.get(*key)?.as_str()?;
        let place = place_above(run, Path::new(path))?;
        tracing::info!("{key}: {path} is not here; using {}", place.display());
        // JSON is YAML.
        Some(format!("{key}={}", serde_json::json!(place)))
    });
    Ok(found.collect())
}

/// Where `path` exists below one of the folders above `run`. `None` if it exists as it is, is
/// absolute, or is nowhere.
fn place_above(run: &Path, path: &Path) -> Option<PathBuf> {
    if path.is_absolute() || path.exists() {
        return None;
    }
    let run = std::fs::canonicalize(run).ok()?;
    let mut places = run.ancestors().skip(1).map(|folder| folder.join(path));
    places.find(|place| place.exists())
}

/// Whether one of the overrides `sets` names `key` or a map around it.
fn is_set(key: &str, sets: &[String]) -> bool {
    sets.iter().any(|set| {
        let name = set.split('=').next().unwrap_or_default().trim();
        key == name || key.starts_with(&format!("{name}."))
    })
}

fn listed(changes: &[&Difference]) -> String {
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    changes.join(", ")
}

fn changeable() -> String {
    [&CHANGEABLE[..], &PATHS[..]].concat().join(", ")
}

fn problem(run: &Path, reason: String) -> Error {
    Error::Run {
        path: run.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::{Value, json};

    fn changed(config: &Value, sets: &[&str]) -> std::result::Result<Vec<String>, String> {
        let trained =
            json!({"train": {"epochs": 3, "optimiser": {"lr": 0.1}}, "data": {"store": "a"}});
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let changes = changes(Path::new("runs/a"), &trained, config, &sets);
        let changes = changes.map_err(|error| error.to_string())?;
        Ok(changes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn length_and_places_may_change_and_nothing_else() {
        let new = json!({"train": {"epochs": 5, "optimiser": {"lr": 0.1}}, "data": {"store": "b"}});
        let both = ["train.epochs: 3 → 5", "data.store: \"a\" → \"b\""];
        let found = changed(&new, &["train.epochs=5", "data={store: b}"]).unwrap();
        assert!(
            both.iter()
                .all(|change| found.contains(&(*change).to_owned())),
            "{found:?}"
        );

        let edited = changed(&new, &["train.epochs=5"]).unwrap_err();
        assert!(
            edited.starts_with("runs/a: its config.yaml is not")
                && edited.contains(both[1])
                && !edited.contains(both[0])
                && edited.contains("--set"),
            "{edited}"
        );
        let other =
            json!({"train": {"epochs": 3, "optimiser": {"lr": 0.2}}, "data": {"store": "a"}});
        let fixed = changed(&other, &["train.optimiser.lr=0.2"]).unwrap_err();
        assert!(
            fixed.contains("cannot change train.optimiser.lr: 0.1 → 0.2")
                && fixed.contains("train.patience")
                && fixed.contains("data.store"),
            "{fixed}"
        );
        // To read a trained model, the place of its store does not matter, but all else does.
        let trained = json!({"train": {"optimiser": {"lr": 0.1}}, "data": {"store": "x"}});
        let read = |config: &Value| check_unedited(Path::new("runs/a"), &trained, config);
        read(&json!({"train": {"optimiser": {"lr": 0.1}}, "data": {"store": "y"}})).unwrap();
        let edited = read(&json!({"train": {"optimiser": {"lr": 0.2}}, "data": {"store": "x"}}));
        assert!(
            edited
                .unwrap_err()
                .to_string()
                .contains("optimiser.lr: 0.1 → 0.2")
        );
        // The name of one key may begin with that of another.
        assert!(!is_set("train.epochs_more", &["train.epochs=3".to_owned()]));
    }

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Toy {
        data: Data,
    }
    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Data {
        store: String,
    }
    impl Config for Toy {}

    #[test]
    fn a_store_is_found_above_the_run() {
        let root = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(root.path()).unwrap();
        let run = root.join("runs/a");
        std::fs::create_dir_all(&run).unwrap();
        let toy = |store: &str| Toy {
            data: Data {
                store: store.to_owned(),
            },
        };
        let name = "some-data/store";
        assert!(moved_paths(&run, &toy(name), &[]).unwrap().is_empty());
        std::fs::create_dir_all(root.join(name)).unwrap();
        let found = moved_paths(&run, &toy(name), &[]).unwrap();
        assert_eq!(
            found,
            [format!("data.store=\"{}\"", root.join(name).display())]
        );
        let set = ["data.store=x".to_owned()];
        assert!(moved_paths(&run, &toy(name), &set).unwrap().is_empty());
        assert!(moved_paths(&run, &toy("/nowhere"), &[]).unwrap().is_empty());
    }
}
