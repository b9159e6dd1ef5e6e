//! Runs `mflag-data` as a user runs it.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mflag_tests::programs::{fail, program, succeed};

fn data(command: &str) -> std::process::Command {
    let mut program = program("mflag-data");
    program.arg(command);
    program
}

fn prepare(dataset: &str, side: u32, root: &Path, out: &Path) -> std::process::Command {
    let mut command = data("prepare");
    command
        .args([dataset, "--side", &side.to_string(), "--root"])
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
    // A second preparation has nothing to do; another side needs another folder.
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

/// Tests every layout except MIMIC's, which has its own test. A case is a layout, the number of its
/// films, the number of films that its reader keeps, and one of its labels.
#[test]
fn phantoms_of_every_layout_are_prepared_by_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    for (layout, films, kept, label) in [
        ("chexpert", 30, 30, "Pleural Effusion"),
        ("nih", 10, 10, "Infiltration"),
        ("rsna", 10, 10, "No Lung Opacity / Not Normal"),
        ("siim", 10, 10, "Pneumothorax"),
        // A tenth of the films is in the folder `test`, which the protocol of this data set leaves
        // out.
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
            row("kept", &kept.to_string()) && row("could not be prepared", "0"),
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

/// Phantoms, and the bytes of the store of an uninterrupted preparation: three shards of 16 films.
fn phantoms_and_their_store(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let films = folder.join("films");
    let phantom = ["--films", "40", "--side", "64", "--out"];
    succeed(data("phantom").args(phantom).arg(&films));
    let whole = folder.join("whole");
    succeed(&mut prepare("mimic", LARGE, &films, &whole));
    let files = files(&whole);
    assert_eq!(
        files
            .iter()
            .filter(|(name, _)| name.ends_with("00002.npy"))
            .count(),
        1
    );
    files
}

/// Side of a square in pixels, so large that 16 squares fill a shard.
const LARGE: u32 = 2048;

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for part in [folder.to_owned(), folder.join("shards")] {
        for entry in std::fs::read_dir(part).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn has_partial(folder: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.any(|e| {
        e.unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".partial-")
    })
}

#[test]
fn a_preparation_killed_anywhere_goes_on_and_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let whole = phantoms_and_their_store(dir.path());
    let out = dir.path().join("killed");
    let shards = out.join("shards");
    // The folder as a preparation leaves it that is killed before it writes plan.json.
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join(".partial-a1b2c3"), b"{").unwrap();
    // Kills one preparation after another, in one folder; the last may have ended already.
    let moments: [&dyn Fn() -> bool; 7] = [
        &|| out.join("plan.json").exists(),
        &|| shards.exists(),
        &|| has_partial(&shards),
        &|| shards.join("00000.npy").exists(),
        &|| shards.join("00001.json").exists(),
        &|| shards.join("00002.npy").exists(),
        &|| out.join("films.jsonl").exists(),
    ];
    let mut killed = 0;
    for moment in moments {
        let mut child = prepare("mimic", LARGE, &dir.path().join("films"), &out)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !moment() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
    }
    assert!(killed >= 4, "only {killed} kills came before the end");
    succeed(&mut prepare(
        "mimic",
        LARGE,
        &dir.path().join("films"),
        &out,
    ));
    assert!(files(&out) == whole, "the bytes differ");
}

#[test]
fn a_target_that_cannot_be_written_is_one_message_and_a_full_one_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    let whole = phantoms_and_their_store(dir.path());
    let films = dir.path().join("films");
    let nowhere = fail(&mut prepare(
        "mimic",
        LARGE,
        &films,
        Path::new("/proc/store"),
    ));
    assert!(nowhere.contains("cannot create /proc/store"), "{nowhere}");
    assert_eq!(nowhere.matches("error: ").count(), 1, "{nowhere}");

    // A file may have 1,000 blocks of 1 KiB, but a shard has 64 MiB: writing fails as on a full
    // disk.
    let out = dir.path().join("full");
    let mut limited = std::process::Command::new("bash");
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$@\"";
    let command = prepare("mimic", LARGE, &films, &out);
    limited
        .args(["-c", script, "bash"])
        .arg(command.get_program())
        .args(command.get_args());
    let full = fail(&mut limited);
    assert!(
        full.contains("00000.npy") && full.contains("run the same command again"),
        "{full}"
    );
    assert_eq!(full.matches("error: ").count(), 1, "{full}");
    assert!(!has_partial(&out.join("shards")));
    succeed(&mut prepare("mimic", LARGE, &films, &out));
    assert!(files(&out) == whole, "the bytes differ");
}

#[test]
fn unusual_films_are_counted_by_kind_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        "shoulder",
        "frames_plain",
        "blank_above",
        "chest",
        "refused_black",
    ];
    let mut rows = "film,patient,split\n".to_owned();
    for name in names {
        let from = mflag_tests::golden(&format!("film_odd/{name}.dcm"));
        std::fs::copy(from, dir.path().join(name)).unwrap();
        rows += &format!("{name},{name},train\n");
    }
    let manifest = dir.path().join("manifest.csv");
    std::fs::write(&manifest, rows).unwrap();
    let read = |folder: &Path, name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let out = dir.path().join("store");
    let said = succeed(&mut prepare("manifest", 16, &manifest, &out));
    for kind in [
        "not a chest film",
        "several frames",
        "the full range was used",
    ] {
        let line = said.lines().find(|line| line.contains(kind)).unwrap();
        assert!(line.ends_with(": 1 of 4 films"), "{line}");
    }
    let warnings = read(&out, "warnings.csv");
    assert!(
        warnings.contains("(modality MR, body part SHOULDER)"),
        "{warnings}"
    );
    assert!(warnings.contains("frames_plain,\"3 frames, "), "{warnings}");
    assert!(!warnings.contains("chest,"), "{warnings}");
    assert!(read(&out, "bad.csv").contains("is blank"));
    // The same preparation again tells the same.
    assert_eq!(
        said.lines().count(),
        succeed(&mut prepare("manifest", 16, &manifest, &out))
            .lines()
            .count()
    );

    let strict = dir.path().join("strict");
    let mut chest = prepare("manifest", 16, &manifest, &strict);
    let said = succeed(chest.args(["--chest-only", "--frame", "2"]));
    assert!(
        !said.contains("several frames") && said.contains("frame 2"),
        "{said}"
    );
    let bad = read(&strict, "bad.csv");
    assert!(
        bad.contains("body part SHOULDER): --chest-only refuses it"),
        "{bad}"
    );
    // A store of other options is not continued.
    let other = fail(&mut prepare("manifest", 16, &manifest, &strict));
    assert!(
        other.contains("store of other films or settings"),
        "{other}"
    );
}

/// A film that is stored lying on its side: its mask may be drawn on the upright film, or be stored
/// as the film is.
#[test]
fn masks_lie_on_the_upright_film() {
    use image::codecs::png::PngEncoder;
    use image::{GrayImage, ImageEncoder, Luma};
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png"] {
        let film = mflag_tests::golden("film/exif_6.png");
        std::fs::copy(film, dir.path().join(name)).unwrap();
    }
    let stored = GrayImage::from_fn(19, 26, |x, y| Luma([if x < 7 && y < 11 { 255 } else { 0 }]));
    image::imageops::rotate90(&stored)
        .save(dir.path().join("upright.png"))
        .unwrap();
    let mut lying = Vec::new();
    let mut encoder = PngEncoder::new(&mut lying);
    // EXIF data with one entry: orientation 6.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    encoder.set_exif_metadata(exif).unwrap();
    encoder
        .write_image(&stored, 19, 26, image::ExtendedColorType::L8)
        .unwrap();
    std::fs::write(dir.path().join("lying.png"), lying).unwrap();
    let manifest = dir.path().join("manifest.csv");
    let rows = "film,patient,mask,split\na.png,a,upright.png,train\nb.png,b,lying.png,train\n";
    std::fs::write(&manifest, rows).unwrap();
    let out = dir.path().join("store");
    let said = succeed(&mut prepare("manifest", 32, &manifest, &out));
    assert!(
        said.contains("EXIF orientation says: 2 of 2 films"),
        "{said}"
    );
    let films = std::fs::read_to_string(out.join("films.jsonl")).unwrap();
    let masks: Vec<serde_json::Value> = films
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["mask"].clone())
        .collect();
    assert_eq!(masks.len(), 2, "{films}");
    assert_eq!(masks[0], masks[1]);
    // Turned clockwise, the first row becomes the last column. Runs go down the columns.
    let runs: Vec<[u32; 2]> = (15..26).map(|x| [x * 19, 7]).collect();
    assert_eq!(masks[0]["runs"], serde_json::json!(runs), "{films}");
}

#[test]
fn window_and_depth_are_kept_in_the_store_and_bad_films_in_a_table() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["film/deep.png", "film_dicom/sigmoid_14.dcm"] {
        let from = mflag_tests::golden(name);
        std::fs::copy(&from, dir.path().join(from.file_name().unwrap())).unwrap();
    }
    std::fs::write(dir.path().join("bad.jpg"), b"\xff\xd8\xff\xe0 no film").unwrap();
    let rows = "film,patient,split\ndeep.png,a,train\nsigmoid_14.dcm,b,train\nbad.jpg,c,train\n";
    let manifest = dir.path().join("manifest.csv");
    std::fs::write(&manifest, rows).unwrap();
    let out = dir.path().join("store");
    let flags = ["--depth", "16", "--window", "percentile:1,99"];
    let said = succeed(prepare("manifest", 32, &manifest, &out).args(flags));
    assert!(said.contains("window percentile:1,99, 16 bits"), "{said}");
    assert!(said.contains("bad.csv"), "{said}");
    let bad = std::fs::read_to_string(out.join("bad.csv")).unwrap();
    assert!(
        bad.contains("bad.jpg") && bad.contains("is cut short"),
        "{bad}"
    );
    let shard = std::fs::read(out.join("shards/00000.npy")).unwrap();
    assert!(shard.len() > 2 * 2 * 32 * 32 && shard[..64].windows(3).any(|w| w == b"<u2"));
    succeed(data("inspect").arg("--store").arg(&out));
    let other = fail(&mut prepare("manifest", 32, &manifest, &out));
    assert!(other.contains("window percentile:1,99, 16 bits"), "{other}");
    for wrong in [["--window", "bright"], ["--depth", "12"]] {
        let refused = prepare("manifest", 32, &manifest, &out)
            .args(wrong)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            refused.status.code() == Some(2) && said.contains("give "),
            "{said}"
        );
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

/// Writes ten films of ten patients in two tables, with the splits of `split`; some have masks and
/// boxes.
fn manifest(
    folder: &Path,
    name: &str,
    split: impl Fn(usize) -> &'static str,
) -> std::path::PathBuf {
    let mut table = "film,patient,split,text,label:Mass,boxes,mask\n".to_owned();
    for i in 0..10u8 {
        let film =
            image::GrayImage::from_fn(60, 40, |x, y| image::Luma([(x * 3 + y) as u8 ^ (i << 4)]));
        film.save(folder.join(format!("f{i}.png"))).unwrap();
        let mask = image::GrayImage::from_fn(60, 40, |x, _| image::Luma([u8::from(x > 30) * 255]));
        mask.save(folder.join(format!("m{i}.png"))).unwrap();
        let (label, found, mask) = match i {
            0 => ("1", "Mass 5 6 20 10", format!("m{i}.png")),
            1 => ("-1", "", String::new()),
            _ => ("0", "", String::new()),
        };
        let split = split(i.into());
        table += &format!("f{i}.png,p{i},{split},The heart is large.,{label},{found},{mask}\n");
    }
    let path = folder.join(name);
    std::fs::write(&path, table).unwrap();
    path
}

/// Checks counts as JSON, a sheet of one label, and a test patient who is in another training
/// split.
#[test]
fn stores_are_counted_drawn_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let thirds = |i| ["train", "validate", "test"][i % 3];
    let evaluation = manifest(dir.path(), "evaluation.csv", thirds);
    let pretraining = manifest(dir.path(), "pretraining.csv", |_| "train");
    succeed(prepare("manifest", 32, &evaluation, &at("eval")).args(["--text", "required"]));
    succeed(&mut prepare("manifest", 32, &pretraining, &at("pre")));

    let sheet = at("sheet.png");
    let mut inspect = data("inspect");
    inspect
        .arg("--store")
        .arg(at("eval"))
        .arg("--sheet")
        .arg(&sheet);
    let said = succeed(inspect.args(["--json", "--label", "Mass"]));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["sheet"].as_str(), sheet.to_str());
    let counts = &said["store"];
    let train = &counts["splits"][0];
    assert_eq!(
        [
            &train["films"],
            &train["patients"],
            &train["with_mask"],
            &train["boxes"]["Mass"]
        ],
        [4, 4, 1, 1]
    );
    let label =
        serde_json::json!({"label": "Mass", "present": 1, "absent": 3, "uncertain": 0, "empty": 0});
    assert_eq!(train["labels"][0], label);
    assert_eq!(counts["splits"][1]["labels"][0]["uncertain"], 1);
    assert_eq!(
        (&counts["words"]["median"], &counts["reports"]),
        (&4.into(), &1.into())
    );
    assert_eq!(counts["columns"]["most"], 60);
    // One film; the mask covers half of it.
    let drawn = image::open(&sheet).unwrap().into_rgb8();
    assert_eq!(drawn.width(), 256);
    let coloured = drawn
        .pixels()
        .filter(|p| p.0[0] > p.0[2] && p.0[0] != p.0[1])
        .count();
    assert!(coloured > 5_000, "{coloured}");

    let said = fail(
        data("inspect")
            .arg("--store")
            .arg(at("eval"))
            .arg("--sheet")
            .arg(&sheet)
            .args(["--label", "mass"]),
    );
    assert!(
        said.contains("label 'mass' is unknown (did you mean 'Mass'?)"),
        "{said}"
    );

    succeed(data("verify").arg(at("eval")));
    succeed(data("verify").arg(at("pre")));
    let said = fail(data("verify").arg(at("pre")).arg(at("eval")));
    let [pre, eval] = [at("pre"), at("eval")].map(|store| store.display().to_string());
    for (things, split, number) in [("patients", "test", 3), ("identical films", "validate", 3)] {
        let expected = format!("{things} in train of {pre} + {split} of {eval}: {number}");
        assert!(said.contains(&expected), "{said} lacks {expected}");
    }
    assert!(!said.contains("p2"), "no patient in it: {said}");
    let said = fail(data("verify").arg("-v").arg(at("pre")).arg(at("eval")));
    assert!(said.contains("patient p2 of manifest is in"), "{said}");
    // Stores of different sides are compared by the films' files.
    let named = prepare("manifest", 48, &evaluation, &at("eval-48"))
        .args(["--name", "other"])
        .output();
    assert!(named.unwrap().status.success());
    let said = fail(data("verify").arg(at("pre")).arg(at("eval-48")));
    assert!(said.contains("add --files"), "{said}");
    let said = fail(
        data("verify")
            .arg("--files")
            .arg(at("pre"))
            .arg(at("eval-48")),
    );
    assert!(
        said.contains("identical films") && !said.contains("patients in"),
        "{said}"
    );
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
    for (flags, expected) in [
        (&["--balance"][..], "unexpected argument '--balance'"),
        (&["--split", "mgca"], "[possible values: official, patient]"),
    ] {
        let refused = prepare("nih", 32, dir.path(), &out).args(flags).output();
        let refused = refused.unwrap();
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            refused.status.code() == Some(2) && error.contains(expected),
            "{error}"
        );
    }
    let none = fail(data("inspect").arg("--store").arg(dir.path()));
    assert!(none.contains("mflag-data prepare"), "{none}");
    let absurd = fail(data("phantom").args(["--films", "0", "--out"]).arg(&out));
    assert!(absurd.contains("films is 0; choose 1 to"), "{absurd}");
    let mut resized = data("phantom");
    resized.args(["--as", "siim", "--side", "256", "--out"]);
    let fixed = fail(resized.arg(&out));
    assert!(
        fixed.contains("films of siim must have 1024 pixels"),
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
    let typo = data("prepare").arg("mimik").output().unwrap();
    assert!(String::from_utf8_lossy(&typo.stderr).contains("'mimic'"));
    let old_form = data("prepare")
        .args(["--dataset", "mimic", "--side", "32", "--root", "x"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&old_form.stderr).into_owned();
    assert!(
        old_form.status.code() == Some(2)
            && error.contains("write mflag-data prepare mimic --root"),
        "{error}"
    );
}

/// What a table says is shown without steering the terminal, and spreadsheets compute no cell.
#[test]
fn values_are_shown_and_written_without_effect() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let film = image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(8 * (x ^ y)) as u8]));
    film.save(at("a.png")).unwrap();
    std::fs::write(at("=1.png"), "no film").unwrap();
    std::fs::write(at("own.csv"), "film,patient\na.png,p1\n=1.png,p2\n").unwrap();
    succeed(&mut prepare("manifest", 16, &at("own.csv"), &at("store")));
    let bad = std::fs::read_to_string(at("store/bad.csv")).unwrap();
    assert!(bad.starts_with("film,reason\n'=1.png,"), "{bad}");

    std::fs::write(at("own.csv"), "film,patient\n\u{1b}[2J.png,p1\n").unwrap();
    let said = fail(&mut prepare("manifest", 16, &at("own.csv"), &at("other")));
    assert!(
        said.contains(r"'\u001b[2J.png' is not a file") && !said.contains('\u{1b}'),
        "{said}"
    );
}
