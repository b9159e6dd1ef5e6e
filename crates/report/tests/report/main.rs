//! Reports of small folders, parsed as a browser does.
#![allow(clippy::unwrap_used, reason = "test code")]

mod folders;
mod page;

use std::path::{Path, PathBuf};

use folders::{PROVENANCE, experiment, head, pretraining, put};
use mflag_report::{Options, html, write};
use page::Page;

#[track_caller]
fn page(folders: &[&Path]) -> Page {
    let folders: Vec<PathBuf> = folders.iter().map(|f| f.to_path_buf()).collect();
    Page::checked(&html(&folders, Options::default()).unwrap())
}

#[test]
fn a_pretraining_shows_curves_latent_space_and_provenance() {
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
    assert!(!text.contains("Something is missing"), "{text}");
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
        "Labels without a ROC curve, as all films have the label or none has: Absent.",
        "../../secret.png cannot be read",
    ] {
        let shown = text.contains(words) || page.all("desc").any(|d| d.text.contains(words));
        assert!(shown, "{words}: {text}");
    }
    // One of the two curves has a band.
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
    // Both ROC curves are in one chart, and the configurations differ in the weights.
    assert!(
        page.all("desc")
            .any(|d| d.text.contains("one: from 0 at 0") && d.text.contains("other: from 0 at 0"))
    );
    assert!(text.contains("encoder.weights"), "{text}");

    // Evaluations on different stores have no differences.
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
    // An older folder has only the measured cells.
    for file in ["results.md", "published.csv", "differences.csv"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    assert!(self::page(&[folder.path()]).text().contains("50.0 ± 2.0"));
    put(folder.path(), "results.csv", "task,metric\n\"a");
    let message = html(&[folder.path().to_owned()], Options::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("results.csv") && message.contains("mflag-experiments table"),
        "{message}"
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
        // The folder is missing.
        "metrics: cannot read metrics.jsonl",
        "Pre-training: runs",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn missing_and_damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = html(&[folder.path().to_owned()], Options::default())
        .unwrap_err()
        .to_string();
    assert!(message.contains("holds no run"), "{message}");
    // A run that has just started.
    put(
        folder.path(),
        "config.yaml",
        "train: { epochs: 2 }\nhead: { task: binary }\n",
    );
    let text = page(&[folder.path()]).text().to_owned();
    for words in [
        "provenance: ",
        "cannot read metrics.jsonl",
        "no split has been evaluated",
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
        "lines of metrics.jsonl that are damaged and left out: 1",
        "curves.json is damaged",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    put(folder.path(), "test/evaluation.json", "{");
    let text = page(&[folder.path()]).text().to_owned();
    assert!(
        text.contains("evaluation: ") && text.contains("1 of 2 epochs are done"),
        "{text}"
    );
    // A single evaluation.
    let other = tempfile::tempdir().unwrap();
    head(other.path(), 0.8);
    assert!(
        page(&[&other.path().join("test")])
            .text()
            .contains("12 films of 9 patients")
    );
}

#[test]
fn hostile_names_are_escaped() {
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
    // There is one script and no handler, and nothing is loaded.
    let page = Page::checked(&page);
    assert!(page.text().matches("alert(1)").count() > 5);
}

#[test]
fn the_policy_allows_only_the_page_s_own_style_and_script() {
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
    let message = write(
        &folders,
        Options::default(),
        &folder.path().join("no/where.html"),
    )
    .unwrap_err();
    assert!(message.to_string().contains("where.html"), "{message}");
}
