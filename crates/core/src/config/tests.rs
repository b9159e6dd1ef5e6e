use super::*;
use serde::Deserialize;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Run {
    #[schemars(range(min = 1, max = 1000))]
    epochs: u32,
    optimiser: Optimiser,
    schedule: Schedule,
    weights: Option<PathBuf>,
    order: Order,
    #[schemars(range(min = 2))]
    limit: Option<usize>,
    data: Data,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Data {
    #[serde(flatten)]
    shared: Shared,
    seed: u64,
}

/// Keys that several configurations share.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Shared {
    #[schemars(range(max = 256))]
    num_workers: usize,
}

impl Default for Shared {
    fn default() -> Self {
        Shared { num_workers: 4 }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Optimiser {
    #[schemars(extend("exclusiveMinimum" = 0))]
    learning_rate: f64,
    betas: [f64; 2],
}

impl Default for Optimiser {
    fn default() -> Self {
        Optimiser {
            learning_rate: 1.0e-3,
            betas: [0.9, 0.999],
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Schedule {
    Constant,
    Cosine {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        floor: f64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::Cosine { floor: 0.0 }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Shuffled,
    /// A doc comment on a variant makes the schema a `oneOf`.
    Stored,
}

impl Config for Run {
    fn check(&self) -> Vec<String> {
        if self.epochs == 13 {
            vec!["epochs: 13 is not supported".into()]
        } else {
            vec![]
        }
    }
}

fn set(sets: &[&str]) -> Result<Run> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    load(None, &sets).map(|l| l.config)
}

fn refusal(sets: &[&str]) -> String {
    let mut all = vec!["epochs=1"];
    all.extend(sets);
    set(&all).unwrap_err().to_string()
}

#[test]
fn overrides_reach_nested_keys_and_keep_the_rest() {
    let run = set(&[
        "epochs=5",
        "optimiser.learning_rate=3.0e-4",
        "weights=a/b.pth",
    ])
    .unwrap();
    assert_eq!(run.epochs, 5);
    assert_eq!(run.optimiser.learning_rate, 3.0e-4);
    assert_eq!(run.optimiser.betas, [0.9, 0.999]);
    assert_eq!(run.weights, Some(PathBuf::from("a/b.pth")));
    let run = set(&["epochs=5", "schedule.kind=constant", "order=stored"]).unwrap();
    assert_eq!(
        (run.schedule, run.order),
        (Schedule::Constant, Order::Stored)
    );
}

#[test]
fn messages_name_the_key_the_value_the_range_and_the_origin() {
    let message = |sets: &[&str]| refusal(sets).lines().nth(1).unwrap().trim().to_owned();
    insta::assert_snapshot!(message(&["epochs=0"]), @"- epochs: 0 is too small; the minimum is 1 [--set epochs=0]");
    insta::assert_snapshot!(message(&["epochs=many"]), @r#"- epochs: expected integer, found "many" [--set epochs=many]"#);
    insta::assert_snapshot!(message(&["epoks=3"]), @"- epoks: unknown key (did you mean 'epochs'?) [--set epoks=3]");
    insta::assert_snapshot!(message(&["optimiser.lr=3"]), @"- optimiser.lr: unknown key (known: learning_rate, betas) [--set optimiser.lr=3]");
    insta::assert_snapshot!(message(&["optimiser.learning_rate=0.0"]), @"- optimiser.learning_rate: 0.0 is too small; it must be greater than 0 [--set optimiser.learning_rate=0.0]");
    insta::assert_snapshot!(message(&["optimiser.learning_rate='1.0e-4'"]), @r#"- optimiser.learning_rate: expected number, found "1.0e-4"; write numbers as 1.0e-4, without quotes [--set optimiser.learning_rate='1.0e-4']"#);
    insta::assert_snapshot!(message(&["schedule={kind: cosin, floor: 2}"]), @"- schedule: kind: 'cosin' is not one of constant, cosine (did you mean 'cosine'?) [--set schedule={kind: cosin, floor: 2}]");
    insta::assert_snapshot!(message(&["schedule={kind: cosine, floor: 2}"]), @"- schedule.floor: 2 is too large; the maximum is 1.0 [--set schedule={kind: cosine, floor: 2}]");
    insta::assert_snapshot!(message(&["schedule={kind: cosine, flor: 0.5}"]), @"- schedule.flor: unknown key (did you mean 'floor'?) [--set schedule={kind: cosine, flor: 0.5}]");
    insta::assert_snapshot!(message(&["order=shufled"]), @"- order: 'shufled' is not one of shuffled, stored (did you mean 'shuffled'?) [--set order=shufled]");
    insta::assert_snapshot!(message(&["optimiser.betas=[0.9]"]), @"- optimiser.betas: expected 2 values, found 1 [--set optimiser.betas=[0.9]]");
    insta::assert_snapshot!(message(&["optimiser.betas=[0.9, x]"]), @r#"- optimiser.betas.1: expected number, found "x" [--set optimiser.betas=[0.9, x]]"#);
    insta::assert_snapshot!(message(&["epochs=3.0"]), @"- epochs: expected integer, found 3.0 [--set epochs=3.0]");
    insta::assert_snapshot!(message(&["schedule={floor: 0.5}"]), @"- schedule: kind is missing; write one of constant, cosine [--set schedule={floor: 0.5}]");
    insta::assert_snapshot!(message(&["limit=1"]), @"- limit: 1 is too small; the minimum is 2 [--set limit=1]");
    insta::assert_snapshot!(message(&["epochs=13"]), @"- epochs: 13 is not supported");
    insta::assert_snapshot!(message(&["epochs"]), @"- --set epochs: has no '='; write --set a.b=value");
}

#[test]
fn shared_keys_are_read_and_checked() {
    let run = set(&["epochs=1", "data.seed=7"]).unwrap();
    assert_eq!((run.data.seed, run.data.shared.num_workers), (7, 4));
    let run = set(&["epochs=1", "data.num_workers=2"]).unwrap();
    assert_eq!(run.data.shared.num_workers, 2);
    assert!(to_yaml(&run).unwrap().contains("\n  num_workers: 2\n"));
    assert!(refusal(&["data.num_workers=300"]).contains("the maximum is 256"));
    assert!(refusal(&["data.num_worker=3"]).contains("did you mean 'num_workers'?"));
    assert!(refusal(&["data.sed=3"]).contains("did you mean 'seed'?"));
}

#[test]
fn an_old_key_is_refused_with_its_new_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.yaml");
    std::fs::write(&file, "epochs: 1\ndata: { loader_threads: 3 }\n").unwrap();
    let in_file = load::<Run>(Some(&file), &[]).unwrap_err().to_string();
    for message in [in_file, refusal(&["data.loader_threads=3"])] {
        let expected = "data.loader_threads: was renamed; write data.num_workers";
        assert!(message.contains(expected), "{message}");
    }
    // `data.keep_features` was renamed to a key that this configuration does not have.
    let message = refusal(&["data.keep_features=0"]);
    assert!(message.contains("unknown key"), "{message}");
}

#[test]
fn a_stored_configuration_may_have_old_keys() {
    let text = "epochs: 1\ndata: { loader_threads: 3, seed: 1 }\n";
    let run: Run = from_yaml(text, Path::new("config.yaml")).unwrap();
    assert_eq!((run.data.shared.num_workers, run.data.seed), (3, 1));
}

#[test]
fn a_stored_configuration_keeps_its_meaning() {
    let updated = |text: &str| {
        let mut config: Value = serde_json::from_str(text).unwrap();
        update_stored(&mut config);
        config["data"]["resize"].clone()
    };
    assert_eq!(updated(r#"{"data": {"store": "a", "side": 224}}"#), "store");
    let new = r#"{"data": {"store": "a", "side": 224, "resize": null}}"#;
    assert_eq!(updated(new), Value::Null);
    let new = r#"{"data": {"store": "a", "resize": 256}}"#;
    assert_eq!(updated(new), 256);
    assert_eq!(updated(r#"{"data": {"seed": 1}}"#), Value::Null);
}

#[test]
fn all_problems_are_listed() {
    assert_eq!(
        refusal(&["epochs=0", "order=x", "optimiser.lr=3"])
            .lines()
            .count(),
        4
    );
}

#[test]
fn files_extend_each_other_and_errors_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    write(
        "base.yaml",
        "epochs: 2\noptimiser: {learning_rate: 0.5}\nschedule: {kind: cosine, floor: 0.25}\n",
    );
    write(
        "sub/mine.yaml",
        "extends: ../base.yaml\noptimiser: {betas: [0.8, 0.9]}\nschedule: {kind: constant}\n",
    );
    let mine = dir.path().join("sub/mine.yaml");
    let loaded = load::<Run>(Some(&mine), &["epochs=4".to_owned()]).unwrap();
    assert_eq!(loaded.files.len(), 2);
    let run = loaded.config;
    assert_eq!(
        (run.epochs, run.optimiser.learning_rate, run.optimiser.betas),
        (4, 0.5, [0.8, 0.9])
    );
    assert_eq!(run.schedule, Schedule::Constant);

    write("base.yaml", "epochs: 2000\nextends: sub/mine.yaml\n");
    assert!(
        load::<Run>(Some(&mine), &[])
            .unwrap_err()
            .to_string()
            .contains("extends itself")
    );
    write("base.yaml", "epochs: 2000\n");
    let message = load::<Run>(Some(&mine), &[]).unwrap_err().to_string();
    assert!(
        message.contains("base.yaml]") && message.contains("1000"),
        "{message}"
    );
    write("base.yaml", "epochs: [1\n");
    let message = load::<Run>(Some(&mine), &[]).unwrap_err().to_string();
    assert!(
        message.contains("base.yaml: is not YAML") && message.contains("line"),
        "{message}"
    );
}

/// Keywords of JSON schema that describe a value, and restrict it in no way. `format` is the Rust type
/// of a number; its range is stated by bounds, too.
const ANNOTATIONS: &[&str] = &["$schema", "default", "description", "format", "title"];

fn keywords(schema: &Value, found: &mut std::collections::BTreeSet<String>) {
    match schema {
        Value::Object(keys) => {
            for (keyword, value) in keys {
                found.insert(keyword.clone());
                match (keyword.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        properties.values().for_each(|s| keywords(s, found));
                    }
                    ("const" | "default" | "enum" | "required" | "type", _) => {}
                    _ => keywords(value, found),
                }
            }
        }
        Value::Array(schemas) => schemas.iter().for_each(|s| keywords(s, found)),
        _ => {}
    }
}

#[test]
fn all_keywords_of_the_programs_schemas_are_checked() {
    let mut found = std::collections::BTreeSet::new();
    let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
    for folder in std::fs::read_dir(configs).unwrap() {
        let file = folder.unwrap().path().join("schema.json");
        if let Ok(text) = std::fs::read_to_string(file) {
            keywords(&serde_json::from_str(&text).unwrap(), &mut found);
        }
    }
    assert!(found.contains("oneOf"), "no schema was read");
    found.retain(|k| !check::CHECKED.contains(&k.as_str()) && !ANNOTATIONS.contains(&k.as_str()));
    assert!(found.is_empty(), "not checked: {found:?}");
}

/// What Python's `jsonschema` accepts: `tests/oracle/config.py`.
#[test]
fn the_check_accepts_what_jsonschema_accepts() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let read = |path: String| -> Value {
        serde_json::from_str(&std::fs::read_to_string(root.join(path)).unwrap()).unwrap()
    };
    for name in ["pretrain", "classification"] {
        let schema = read(format!("configs/{name}/schema.json"));
        let golden = read(format!("tests/golden/config/{name}.json"));
        for key in golden["keys"].as_array().unwrap() {
            for (index, value) in golden["values"].as_array().unwrap().iter().enumerate() {
                let mut config = value.clone();
                let path = key["path"].as_array().unwrap();
                for (depth, name) in path.iter().enumerate().rev() {
                    let mut map = serde_json::Map::new();
                    if depth > 0 && depth == path.len() - 1 {
                        map.extend(key["beside"].as_object().unwrap().clone());
                    }
                    map.insert(name.as_str().unwrap().to_owned(), config);
                    config = Value::Object(map);
                }
                let mut layers = Layers::default();
                layers
                    .add_text(&config.to_string(), Path::new("golden"))
                    .unwrap();
                let accepted = key["accepted"].as_array().unwrap().contains(&index.into());
                let problems = check::problems(&schema, &layers);
                assert_eq!(problems.is_empty(), accepted, "{config}: {problems:?}");
            }
        }
    }
}

#[test]
fn a_configuration_written_as_yaml_reads_back_equal() {
    let run = set(&[
        "epochs=5",
        "order=stored",
        "schedule={kind: cosine, floor: 1.0e-4}",
    ])
    .unwrap();
    let text = to_yaml(&run).unwrap();
    assert_eq!(
        from_yaml::<Run>(&text, Path::new("config.yaml")).unwrap(),
        run
    );
}
