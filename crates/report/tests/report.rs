//! Reports of small folders, parsed as a browser parses them.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use html5ever::driver::ParseOpts;
use html5ever::parse_document;
use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use mflag_report::{Options, html, write};

/// An element: its name, attributes and text.
#[derive(Debug, Clone)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// A parsed page, its elements in their order.
struct Page(Vec<Element>);

impl Page {
    /// Parses a page and makes sure of what is true of every report.
    #[track_caller]
    fn checked(text: &str) -> Page {
        let parsed = parse_document(RcDom::default(), ParseOpts::default()).one(text);
        assert!(parsed.errors.borrow().is_empty(), "{:?}", parsed.errors);
        let mut page = Page(Vec::new());
        page.add(&parsed.document);
        page.assert_reachable_and_alone();
        page
    }

    fn add(&mut self, node: &Handle) {
        if let NodeData::Element { name, attrs, .. } = &node.data {
            let attributes = attrs.borrow();
            let attributes = attributes.iter();
            self.0.push(Element {
                name: name.local.to_string(),
                attributes: attributes
                    .map(|a| (a.name.local.to_string(), a.value.to_string()))
                    .collect(),
                text: text_of(node),
            });
        }
        for child in node.children.borrow().iter() {
            self.add(child);
        }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.0.iter().filter(move |e| e.name == name)
    }

    fn with<'a>(&'a self, attribute: &'a str) -> impl Iterator<Item = (&'a Element, &'a str)> {
        self.0
            .iter()
            .filter_map(move |e| Some((e, e.attributes.get(attribute)?.as_str())))
    }

    fn text(&self) -> &str {
        &self.all("main").next().unwrap().text
    }

    /// Text alternatives, unique ids, headings in order, and nothing from elsewhere.
    #[track_caller]
    fn assert_reachable_and_alone(&self) {
        let ids: Vec<&str> = self.with("id").map(|(_, id)| id).collect();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "{ids:?}");
        let of_id = |id: &str| {
            self.with("id")
                .find(|(_, i)| *i == id)
                .map(|(e, _)| e.text.clone())
        };

        for image in self.all("img") {
            assert!(
                image.attributes["alt"].len() > 10 && image.attributes["src"].starts_with("data:")
            );
        }
        for drawing in self.all("svg") {
            if drawing.attributes.contains_key("aria-hidden") {
                continue;
            }
            assert_eq!(drawing.attributes["role"], "img");
            let names = drawing.attributes["aria-labelledby"].split(' ');
            let names: Vec<String> = names.map(|id| of_id(id).unwrap()).collect();
            assert!(
                names.len() == 2 && names.iter().all(|n| n.len() > 3),
                "{names:?}"
            );
        }
        let levels = self
            .0
            .iter()
            .filter_map(|e| e.name.strip_prefix('h')?.parse::<u32>().ok());
        let levels: Vec<u32> = levels.collect();
        assert_eq!(
            (levels[0], levels.iter().filter(|l| **l == 1).count()),
            (1, 1)
        );
        assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{levels:?}");

        for attribute in ["src", "href", "srcset", "action", "data", "poster"] {
            for (element, value) in self.with(attribute) {
                let own = value.starts_with("data:")
                    || value
                        .strip_prefix('#')
                        .is_some_and(|id| distinct.contains(id));
                assert!(own, "{element:?}");
            }
        }
        for element in &self.0 {
            // What the page's policy refuses, or a hostile name could have brought.
            let refused = element
                .attributes
                .keys()
                .find(|a| a.starts_with("on") || *a == "style");
            assert_eq!(refused, None, "{element:?}");
        }
        assert_eq!(
            (self.all("script").count(), self.all("style").count()),
            (1, 1)
        );
        assert!(!self.all("style").next().unwrap().text.contains("url("));
    }
}

fn text_of(node: &Handle) -> String {
    match &node.data {
        NodeData::Text { contents } => contents.borrow().to_string(),
        _ => node.children.borrow().iter().map(text_of).collect(),
    }
}

#[track_caller]
fn page(folders: &[&Path]) -> Page {
    let folders: Vec<PathBuf> = folders.iter().map(|f| f.to_path_buf()).collect();
    Page::checked(&html(&folders, Options::default()).unwrap())
}

fn put(folder: &Path, file: &str, text: &str) {
    let file = folder.join(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

const PROVENANCE: &str = r#"{"mflag": "0.1.0", "libraries": {"libtorch": "2.13.0"}, "git": "abc-dirty",
    "command": ["target/release/PROGRAM", "train"], "started": 951827696, "processors": 2, "digests": {"store": "d1"}}"#;

/// A finished pre-training of two epochs.
fn pretraining(folder: &Path) {
    put(
        folder,
        "config.yaml",
        "train: { epochs: 2, seed: 7 }\nprojector: { hidden: 8 }\ncollapse: { min_rank: 2.0 }\n",
    );
    put(
        folder,
        "provenance.json",
        &PROVENANCE.replace("PROGRAM", "mflag-pretrain"),
    );
    let lines = r#"{"kind":"validation","step":0,"epoch":0,"film_to_report@1":0.1,"film_to_report@5":0.2,"recall_mean":0.15,"rank":90.5,"rank_projected":60.0,"mean_cosine":0.9,"collapsed":0.0,"spectrum":[[1,1.0],[2,0.5],[8,0.01]]}
{"kind":"train","step":1,"epoch":1,"lr":0.1,"loss":5.5,"gradient_norm":null}
{"kind":"train","step":2,"epoch":1,"lr":0.05,"loss":4.5,"gradient_norm":3.0}
{"kind":"validation","step":2,"epoch":1,"film_to_report@1":0.3,"film_to_report@5":0.4,"recall_mean":0.35,"rank":1.5,"rank_projected":1.2,"mean_cosine":0.97,"collapsed":1.0,"spectrum":[[1,1.0],[2,0.1],[8,0.0]]}
{"kind":"validation","step":4,"epoch":2,"film_to_report@1":0.2,"film_to_report@5":0.3,"recall_mean":0.25,"rank":80.25,"rank_projected":50.0,"mean_cosine":0.3,"collapsed":0.0,"spectrum":[[1,1.0],[2,0.7],[8,0.2]]}
"#;
    put(folder, "metrics.jsonl", lines);
}

/// A head of two epochs that was judged on a test split, with two films drawn.
fn head(folder: &Path, auroc: f64) {
    put(
        folder,
        "config.yaml",
        &format!(
            "train: {{ epochs: 2 }}\nhead: {{ task: binary }}\nmonitor: auroc\nencoder: {{ weights: e{auroc} }}\n"
        ),
    );
    put(
        folder,
        "provenance.json",
        &PROVENANCE.replace("PROGRAM", "mflag-classify"),
    );
    put(
        folder,
        "metrics.jsonl",
        "{\"kind\":\"validation\",\"step\":0,\"epoch\":0,\"loss\":1.0,\"auroc\":0.5}\n{\"kind\":\"validation\",\"step\":4,\"epoch\":2,\"loss\":0.5,\"auroc\":0.7}\n",
    );
    put(
        folder,
        "test/evaluation.json",
        &format!(
            r#"{{"dataset": "toy", "split": "test", "films": 12, "patients": 9, "resamples": 3, "metrics": [
            {{"metric": "auroc", "value": {auroc}, "low": {}, "high": {}}}, {{"metric": "auroc:Edema", "value": {auroc}, "low": 0.5, "high": 0.95}},
            {{"metric": "f1", "value": null, "low": null, "high": null}}]}}"#,
            auroc - 0.1,
            auroc + 0.1
        ),
    );
    put(
        folder,
        "test/bootstrap.csv",
        &format!("auroc\n{auroc}\n{}\n{}\n", auroc - 0.1, auroc + 0.1),
    );
    put(
        folder,
        "test/curves.json",
        r#"[{"label": "Edema", "threshold": 0.5, "roc": [[0, 0], [0.5, 0.8], [1, 1]], "roc_band": [[0, 0, 0.2], [0.5, 0.6, 0.9], [1, 1, 1]],
        "precision_recall": [[0, 1], [1, 0.4]], "precision_recall_band": null},
        {"label": "Absent", "threshold": 0.5, "roc": null, "precision_recall": null}]"#,
    );
    put(
        folder,
        "test/cases.json",
        r#"[{"rank": "best", "metric": "dice", "value": 0.91, "line": 17, "film": "patient-0042.dcm", "image": "cases/1.png", "words": "Predicted in colour."},
        {"rank": "worst", "metric": "dice", "value": 0.02, "line": 18, "film": "patient-0043.dcm", "image": "../../secret.png", "words": "Predicted in colour."}]"#,
    );
    put(folder, "test/cases/1.png", "bytes of a png");
}

fn experiment(folder: &Path) {
    put(
        folder,
        "results.md",
        "# Two | encoders\n\n## Masks, Dice\n\n`dice` × 100 on the test split.\n",
    );
    put(
        folder,
        "results.csv",
        "task,metric,encoder,fraction,seeds,mean,standard_deviation,low,high\n\"Masks, Dice\",dice,Random,0.01,1,0.1,,0.05,0.15\n\"Masks, Dice\",dice,Random,1,2,0.5,0.02,0.45,0.55\n\"Masks, Dice\",dice,Ours,1,1,,,,\n",
    );
    put(
        folder,
        "published.csv",
        "task,encoder,fraction,value,source\n\"Masks, Dice\",Theirs,0.01,<1,a paper\n\"Masks, Dice\",Theirs,1,61.5,a paper\n",
    );
    put(
        folder,
        "differences.csv",
        "task,difference,value,low,high,p\n\"Masks, Dice\",Ours − Random,0.123,0.05,0.2,0.004\n",
    );
}

#[test]
fn a_pretraining_shows_curves_latent_space_and_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    pretraining(folder.path());
    let page = page(&[folder.path()]);
    let text = page.text();
    for words in [
        "Mean recall, validation0.35best, at epoch 1",
        "Effective rank, encoder's output80.25at epoch 2",
        "The space had collapsed after epoch 1",
        "2000-02-29 12:34 UTC",
        "mflag-pretrain",
        "abc-dirty",
        "seed: 7",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let charts: Vec<&str> = page.all("figcaption").map(|e| e.text.as_str()).collect();
    for title in [
        "Recall, film to report, validation",
        "Learning rate, training",
        "Effective rank of the latent space",
        "Spectrum of the encoder's output",
    ] {
        assert!(charts.contains(&title), "{charts:?}");
    }
    let words: Vec<&str> = page.all("desc").map(|e| e.text.as_str()).collect();
    let rank = words
        .iter()
        .find(|w| w.starts_with("effective rank"))
        .unwrap();
    assert!(
        rank.contains("encoder's output: from 90.5 at 0 to 80.25 at 2, lowest 1.5 at 1")
            && rank.contains("alarm below: 2"),
        "{rank}"
    );
    assert!(!text.contains("Not all is there"), "{text}");
}

#[test]
fn a_head_shows_figures_curves_with_bands_and_films_without_their_names() {
    let folder = tempfile::tempdir().unwrap();
    head(folder.path(), 0.8);
    let page = page(&[folder.path()]);
    let text = page.text();
    for words in [
        "AUROC, test0.80.7 to 0.9",
        "12 films of 9 patients",
        "ROC, Edema",
        "best, Dice: 0.91",
        "line 17",
        "Without a ROC curve, as films of both kinds are missing: Absent.",
        "../../secret.png cannot be read",
    ] {
        let shown = text.contains(words) || page.all("desc").any(|d| d.text.contains(words));
        assert!(shown, "{words}: {text}");
    }
    // Of the two curves one has a band.
    assert_eq!(
        page.with("class")
            .filter(|(_, class)| *class == "band")
            .count(),
        1
    );
    assert_eq!(page.all("img").count(), 1);
    assert!(
        !text.contains("patient-0042")
            && !page
                .with("alt")
                .any(|(_, alt)| alt.contains("patient-0042"))
    );
    let named = html(&[folder.path().to_owned()], Options { show_names: true }).unwrap();
    assert!(Page::checked(&named).text().contains("patient-0042.dcm"));
}

#[test]
fn runs_on_the_same_patients_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other, third] = ["one", "other", "third"].map(|name| folder.path().join(name));
    head(&one, 0.7);
    head(&other, 0.8);
    pretraining(&third);
    let page = page(&[&one, &other, &third]);
    let text = page.text();
    assert!(
        text.contains("other − one") && text.contains("+0.1000"),
        "{text}"
    );
    assert!(text.contains("0.7000 (0.6000 to 0.8000)"), "{text}");
    let headings: Vec<&str> = page.all("h2").map(|e| e.text.as_str()).collect();
    assert_eq!(headings, ["Comparison", "one", "other", "third"]);
    assert_eq!(page.all("nav").next().unwrap().text, headings.concat());
    // Both ROC curves are in one chart, and the weights are where the configurations differ.
    assert!(
        page.all("desc")
            .any(|d| d.text.contains("one: from 0 at 0") && d.text.contains("other: from 0 at 0"))
    );
    assert!(text.contains("encoder.weights"), "{text}");

    // On other films there is no difference to tell.
    let provenance = PROVENANCE.replace("d1", "d2");
    put(&other, "provenance.json", &provenance);
    assert!(!self::page(&[&one, &other]).text().contains("other − one"));
}

#[test]
fn an_experiment_stands_beside_published_numbers() {
    let folder = tempfile::tempdir().unwrap();
    experiment(folder.path());
    let page = page(&[folder.path()]);
    let text = page.text();
    for words in [
        "Two | encoders",
        "dice × 100 on the test split.",
        "10.0 (5.0 to 15.0)",
        "50.0 ± 2.0 (45.0 to 55.0)",
        "undefined",
        "<1",
        "61.5",
        "+12.3",
        "+5.0 to +20.0",
        "0.004",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let words = &page.all("desc").next().unwrap().text;
    assert!(
        words.contains("Random: from 10 at 1 % to 50 at 100 %")
            && words.contains("Theirs (published): from 61.5 at 100 %"),
        "{words}"
    );
    assert!(page.with("class").any(|(_, class)| class == "line dashed"));
    // An older folder has the measured cells alone.
    for file in ["results.md", "published.csv", "differences.csv"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    assert!(self::page(&[folder.path()]).text().contains("50.0 ± 2.0"));
    put(folder.path(), "results.csv", "task,metric\n\"a");
    let told = html(&[folder.path().to_owned()], Options::default())
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("results.csv") && told.contains("mflag-experiments table"),
        "{told}"
    );
}

#[test]
fn an_experiment_shows_its_runs_over_time() {
    let folder = tempfile::tempdir().unwrap();
    experiment(folder.path());
    put(
        folder.path(),
        "runs.csv",
        "task,encoder,fraction,seed,finished,folder\n,Ours,,,true,encoders/ours\n\"Masks, Dice\",Random,1,0,true,masks/random/0\n\"Masks, Dice\",Random,1,1,false,masks/random/1\n\"Masks, Dice\",Ours,1,0,true,masks/ours/0\n",
    );
    pretraining(&folder.path().join("encoders/ours"));
    let random = folder.path().join("masks/random/0");
    head(&random, 0.8);
    let other = folder.path().join("masks/random/1");
    head(&other, 0.8);
    let metrics = std::fs::read_to_string(other.join("metrics.jsonl")).unwrap();
    put(&other, "metrics.jsonl", &metrics.replace("0.7", "0.8"));
    let page = page(&[folder.path()]);
    let charts: Vec<&String> = page.all("desc").map(|e| &e.text).collect();
    let [_, cells, recall, rank] = charts[..] else {
        panic!("{charts:?}");
    };
    assert!(
        cells.contains("Random: from 0.5 at 0 to 0.75 at 2"),
        "{cells}"
    );
    assert!(recall.contains("Ours: from 0.15 at 0"), "{recall}");
    assert!(rank.contains("Ours: from 90.5 at 0"), "{rank}");
    let text = page.text();
    for words in [
        "100 % of the labels: AUROC",
        "Masks, Dice: runs",
        "masks/random/1",
        "not finished",
        // Nothing lies there.
        "metrics: cannot read metrics.jsonl",
        "Pre-training: runs",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn what_is_missing_or_damaged_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let told = html(&[folder.path().to_owned()], Options::default())
        .unwrap_err()
        .to_string();
    assert!(told.contains("is no run"), "{told}");
    // A run that has just begun.
    put(
        folder.path(),
        "config.yaml",
        "train: { epochs: 2 }\nhead: { task: binary }\n",
    );
    let text = page(&[folder.path()]).text().to_owned();
    for words in [
        "provenance: ",
        "cannot read metrics.jsonl",
        "no split has been judged yet",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    head(folder.path(), 0.8);
    put(folder.path(), "provenance.json", "{");
    put(
        folder.path(),
        "metrics.jsonl",
        "{\"kind\":\"validation\",\"step\":3,\"epoch\":1,\"auroc\":null}\n[]\n{\"kind\":\"tr",
    );
    put(folder.path(), "test/curves.json", "{");
    let text = page(&[folder.path()]).text().to_owned();
    for words in [
        "provenance.json: is damaged",
        "1 lines of metrics.jsonl are damaged",
        "curves.json cannot be understood",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    put(folder.path(), "test/evaluation.json", "{");
    let text = page(&[folder.path()]).text().to_owned();
    assert!(
        text.contains("evaluation: ") && text.contains("1 of 2 epochs are done"),
        "{text}"
    );
    // The folder of an evaluation alone.
    let other = tempfile::tempdir().unwrap();
    head(other.path(), 0.8);
    assert!(
        page(&[&other.path().join("test")])
            .text()
            .contains("12 films of 9 patients")
    );
}

#[test]
fn hostile_text_is_text() {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("<img src=x onerror=alert(1)>");
    head(&run, 0.8);
    experiment(&run);
    let json = serde_json::to_string(evil).unwrap();
    for file in [
        "test/curves.json",
        "test/cases.json",
        "test/evaluation.json",
        "provenance.json",
    ] {
        let text = std::fs::read_to_string(run.join(file)).unwrap();
        let words = [
            "\"Edema\"",
            "\"Absent\"",
            "\"auroc:Edema\"",
            "\"toy\"",
            "\"Predicted in colour.\"",
            "\"train\"",
            "\"patient-0042.dcm\"",
        ];
        let text = words
            .iter()
            .fold(text, |text, word| text.replace(word, &json));
        put(&run, file, &text);
    }
    put(
        &run,
        "config.yaml",
        &format!("monitor: {json}\nhead: {{ {json}: {json} }}\n"),
    );
    put(
        &run,
        "metrics.jsonl",
        &format!("{{\"kind\":\"validation\",\"step\":0,\"epoch\":0,{json}:1.0}}\n"),
    );
    let cells = std::fs::read_to_string(run.join("results.csv")).unwrap();
    put(
        &run,
        "results.csv",
        &cells.replace("Random", "\"</title><script>alert(1)</script>\""),
    );
    put(&run, "results.md", &format!("# {evil}\n"));
    let page = html(&[run], Options { show_names: true }).unwrap();
    // One script, no handler, nothing from elsewhere.
    let page = Page::checked(&page);
    assert!(page.text().matches("alert(1)").count() > 5);
}

#[test]
fn the_policy_allows_the_own_style_and_script_alone() {
    use base64::Engine;
    use sha2::Digest;
    let folder = tempfile::tempdir().unwrap();
    pretraining(folder.path());
    let page = page(&[folder.path()]);
    let policy = page
        .with("content")
        .find(|(e, _)| e.attributes.contains_key("http-equiv"))
        .unwrap()
        .1;
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    for name in ["style", "script"] {
        let digest = sha2::Sha256::digest(page.all(name).next().unwrap().text.as_bytes());
        let digest = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(
            policy.contains(&format!("{name}-src 'sha256-{digest}'")),
            "{policy}"
        );
    }
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    head(folder.path(), 0.8);
    let folders = [folder.path().to_owned()];
    let file = folder.path().join("report.html");
    write(&folders, Options::default(), &file).unwrap();
    let first = std::fs::read(&file).unwrap();
    write(&folders, Options::default(), &file).unwrap();
    assert_eq!(first, std::fs::read(&file).unwrap());
    let told = write(
        &folders,
        Options::default(),
        &folder.path().join("no/where.html"),
    )
    .unwrap_err();
    assert!(told.to_string().contains("where.html"), "{told}");
}
