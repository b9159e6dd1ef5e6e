//! `mflag-data` as a user runs it.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

use mflag_tests::programs::{fail, program, succeed};

fn data(command: &str) -> std::process::Command {
    let mut program = program("mflag-data");
    program.arg(command);
    program
}

fn prepare(dataset: &str, side: u32, root: &Path, out: &Path) -> std::process::Command {
    let mut command = data("prepare");
    command
        .args(["--dataset", dataset, "--side", &side.to_string(), "--root"])
        .arg(root)
        .arg("--out")
        .arg(out);
    command
}

#[test]
fn phantoms_are_prepared_verified_and_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let said = succeed(
        data("phantom")
            .args(["--films", "30", "--side", "96"])
            .arg("--out")
            .arg(at("films")),
    );
    assert!(
        said.contains("train") && said.contains("without finding"),
        "{said}"
    );
    let said = succeed(&mut prepare("mimic", 32, &at("films"), &at("store")));
    assert!(
        said.lines()
            .any(|l| l.starts_with("kept") && l.ends_with(" 30")),
        "{said}"
    );
    // A second preparation has nothing to do, another side wants another folder.
    succeed(&mut prepare("mimic", 32, &at("films"), &at("store")));
    let other = fail(&mut prepare("mimic", 40, &at("films"), &at("store")));
    assert!(
        other.contains("--side") || other.contains("other films or settings"),
        "{other}"
    );
    let said = succeed(data("verify").arg(at("store")));
    assert!(
        said.contains("no patient and no film is in two splits"),
        "{said}"
    );
    let said = succeed(
        data("inspect")
            .arg("--store")
            .arg(at("store"))
            .arg("--sheet")
            .arg(at("sheet.png")),
    );
    assert!(
        said.contains("words in a report") && at("sheet.png").exists(),
        "{said}"
    );
}

/// Every layout but MIMIC's, which has its own test, with its films, those that its reader keeps, and a label that it shows.
#[test]
fn phantoms_of_every_layout_are_prepared_by_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    for (layout, films, kept, label) in [
        ("chexpert", 30, 30, "Pleural Effusion"),
        ("nih", 10, 10, "Infiltration"),
        ("rsna", 10, 10, "No Lung Opacity / Not Normal"),
        ("siim", 10, 10, "Pneumothorax"),
        // A tenth is in the part `test`, which this data set's protocol leaves out.
        ("object-cxr", 30, 27, "Foreign object"),
    ] {
        let (films_at, store) = (
            dir.path().join(layout),
            dir.path().join(format!("{layout}-store")),
        );
        let mut phantom = data("phantom");
        phantom.args(["--as", layout, "--films", &films.to_string(), "--out"]);
        let said = succeed(phantom.arg(&films_at));
        assert!(said.contains("without finding"), "{said}");
        let said = succeed(&mut prepare(layout, 64, &films_at, &store));
        let row = |name: &str, number: &str| {
            let mut lines = said
                .lines()
                .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.any(|l| l == format!("{name} {number}"))
        };
        assert!(
            row("kept", &kept.to_string()) && row("could not be decoded", "0"),
            "{layout}: {said}"
        );
        let said = succeed(data("verify").arg(&store));
        assert!(said.contains(&format!("{kept} films")), "{layout}: {said}");
        let sheet = dir.path().join(format!("{layout}.png"));
        let mut inspect = data("inspect");
        inspect
            .arg("--store")
            .arg(&store)
            .arg("--sheet")
            .arg(&sheet);
        let said = succeed(&mut inspect);
        let line = said
            .lines()
            .find(|l| l.starts_with(label))
            .unwrap_or_default();
        let positive: usize = line
            .split_whitespace()
            .filter_map(|n| n.parse::<usize>().ok())
            .sum();
        assert!(positive > 0, "{layout}: {said}");
        assert!(sheet.exists());
    }
}

#[test]
fn own_films_come_by_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let films: String = (0..6).map(|i| format!("f{i}.png,p{i},train,1\n")).collect();
    for i in 0..6u8 {
        let film = image::GrayImage::from_fn(40, 30, |x, y| image::Luma([(x * 3 + y) as u8 + i]));
        film.save(dir.path().join(format!("f{i}.png"))).unwrap();
    }
    let manifest = dir.path().join("manifest.csv");
    std::fs::write(
        &manifest,
        format!("film,patient,split,label:Nodule\n{films}"),
    )
    .unwrap();
    let out = dir.path().join("store");
    let said = succeed(&mut prepare("manifest", 32, &manifest, &out));
    assert!(said.contains('6'), "{said}");
    let counts = succeed(data("inspect").arg("--store").arg(&out));
    assert!(counts.contains("Nodule"), "{counts}");
}

#[test]
fn wrong_input_is_answered_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for dataset in [
        "mimic",
        "chexpert",
        "nih",
        "rsna",
        "siim",
        "object-cxr",
        "vindr",
        "manifest",
    ] {
        let said = fail(&mut prepare(dataset, 32, &dir.path().join("absent"), &out));
        assert!(said.contains("absent"), "{dataset}: {said}");
    }
    let useless = fail(prepare("nih", 32, dir.path(), &out).args(["--balance"]));
    assert!(
        useless.contains("--balance: nih has no use for it"),
        "{useless}"
    );
    let unknown = fail(prepare("nih", 32, dir.path(), &out).args(["--split", "mgca"]));
    assert!(
        unknown.contains("no such split (known: official, patient)"),
        "{unknown}"
    );
    let none = fail(data("inspect").arg("--store").arg(dir.path()));
    assert!(none.contains("mflag-data prepare"), "{none}");
    let absurd = fail(data("phantom").args(["--films", "0", "--out"]).arg(&out));
    assert!(absurd.contains("films is 0; choose 1 to"), "{absurd}");
    let mut resized = data("phantom");
    resized.args(["--as", "siim", "--side", "256", "--out"]);
    let fixed = fail(resized.arg(&out));
    assert!(
        fixed.contains("all films of siim have 1024 pixels"),
        "{fixed}"
    );
    assert!(!out.exists());
    std::fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    let taken = fail(
        data("phantom")
            .args(["--as", "rsna", "--out"])
            .arg(dir.path()),
    );
    assert!(taken.contains("not empty and holds no phantom"), "{taken}");
    let mut unknown = data("phantom");
    let unknown = unknown
        .args(["--as", "rnsa", "--out", "x"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("similar value exists: 'rsna'"));
    let typo = data("prepare")
        .args(["--dataset", "mimik"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&typo.stderr).contains("'mimic'"));
}
