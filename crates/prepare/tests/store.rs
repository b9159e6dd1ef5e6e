//! Tests of the preparation, the store and the loader, on a few small films.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::path::Path;
use std::sync::Arc;

use mflag_film::{Depth, Fit, Squaring, ViewGeometry};
use mflag_prepare::prepare::{Options, prepare};
use mflag_store::augment::Augment;
use mflag_store::loader::{self, Batch, Epoch, Loader, Source};
use mflag_store::{
    BoundingBox, Dataset, FilmsConfig, Mask, Record, Resize, ResizeWord, Split, Store,
};

const FILMS: usize = 40;

fn record(folder: &Path, i: usize) -> Record {
    let film = format!("film-{i:03}");
    let split = if i < 30 {
        Split::Train
    } else {
        Split::Validate
    };
    let path = folder.join(format!("{film}.png"));
    Record {
        study: format!("s{i}"),
        text: Some(format!("report {i}")),
        labels: vec![Some(1.0), None],
        ..Record::new(film, format!("p{}", i / 2), path, split)
    }
}

/// Writes films of one grey value each, with a white corner. The file of film 7 is truncated.
fn dataset(folder: &Path) -> Dataset {
    let records: Vec<Record> = (0..FILMS).map(|i| record(folder, i)).collect();
    for (i, record) in records.iter().enumerate() {
        let mut image = image::GrayImage::from_pixel(60, 48, image::Luma([i as u8 * 5]));
        (0..60).for_each(|n| image.put_pixel(n % 10, n / 10, image::Luma([255])));
        image.save(&record.path).unwrap();
    }
    let bytes = std::fs::read(&records[7].path).unwrap();
    std::fs::write(&records[7].path, &bytes[..bytes.len() / 2]).unwrap();
    let labels = vec!["A".into(), "B".into()];
    Dataset {
        name: "toy".into(),
        labels,
        records,
        left_out: vec![],
        notes: Vec::new(),
    }
}

/// Squares so large that a shard holds 16 films, and the store has three shards.
fn options() -> Options {
    of_side(2048)
}

fn of_side(side: u32) -> Options {
    Options {
        squaring: Squaring::new(side, Fit::Pad),
        ..Options::default()
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for part in [folder.to_owned(), folder.join("shards")] {
        for entry in std::fs::read_dir(part)
            .unwrap()
            .map(std::result::Result::unwrap)
        {
            if entry.path().is_file() {
                let name = entry
                    .path()
                    .strip_prefix(folder)
                    .unwrap()
                    .display()
                    .to_string();
                found.push((name, std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_store_holds_the_films_and_an_interrupted_preparation_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let toy = dataset(dir.path());
    let whole = dir.path().join("whole");
    let store = prepare(&toy, &whole, &options()).unwrap();
    assert_eq!(
        (
            store.records().len(),
            store.meta().bad,
            store.meta().shards.len()
        ),
        (39, 1, 3)
    );
    assert_eq!(store.records()[7].film, "film-008");
    assert_eq!(store.records()[7].size, Some([60, 48]));
    // 60 × 48 in 2048 × 2048: bars of 205 rows above and below.
    assert_eq!(
        (store.pixels(0)[0], store.pixels(38)[1024 * 2048 + 1024]),
        (0, 39 * 5)
    );
    store.verify().unwrap();
    let bad = std::fs::read_to_string(whole.join("bad.csv")).unwrap();
    assert!(
        bad.contains("film-007,") && bad.lines().count() == 2,
        "{bad}"
    );

    // An interruption can leave a complete first shard, and a second one without its content file.
    let cut = dir.path().join("cut");
    std::fs::create_dir_all(cut.join("shards")).unwrap();
    for name in [
        "plan.json",
        "shards/00000.npy",
        "shards/00000.json",
        "shards/00001.npy",
    ] {
        std::fs::copy(whole.join(name), cut.join(name)).unwrap();
    }
    std::fs::write(cut.join("shards/00001.npy"), b"half").unwrap();
    let message = Store::open(&cut).unwrap_err().to_string();
    assert!(message.contains("incomplete"), "{message}");
    let resumed = prepare(&toy, &cut, &options()).unwrap();
    assert_eq!(files(&cut), files(&whole));
    assert_eq!(resumed.digest().unwrap(), store.digest().unwrap());
}

#[test]
fn masks_of_files_are_runs_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut toy = dataset(dir.path());
    let plane = |width, height| {
        let mut mask = image::GrayImage::new(width, height);
        for (x, y) in [(5, 3), (5, 4), (6, 0)] {
            mask.put_pixel(x, y, image::Luma([9]));
        }
        mask
    };
    for (film, (width, height)) in [(0, (60, 48)), (1, (48, 60))] {
        let path = dir.path().join(format!("mask-{film}.png"));
        plane(width, height).save(&path).unwrap();
        toy.records[film].mask = Some(Mask::File { path, scale: false });
    }
    let absent = dir.path().join("absent.png");
    toy.records[2].mask = Some(Mask::File {
        path: absent,
        scale: false,
    });
    let own = Mask::Runs {
        width: 60,
        height: 48,
        runs: vec![[1, 2]],
    };
    toy.records[3].mask = Some(own.clone());
    // A window would make these values black.
    let deep = image::ImageBuffer::from_fn(60, 48, |x, y| match (x, y) {
        (5, 3 | 4) => image::Luma([1_u16]),
        (6, 0) => image::Luma([2]),
        _ => image::Luma([0]),
    });
    let path = dir.path().join("deep.png");
    deep.save(&path).unwrap();
    toy.records[4].mask = Some(Mask::File { path, scale: false });
    toy.records[5].mask = Some(Mask::Runs {
        width: 48,
        height: 60,
        runs: vec![],
    });
    toy.records[6].boxes = vec![BoundingBox {
        label: "A".into(),
        x: 40.0,
        y: 2.0,
        width: 30.0,
        height: 4.0,
    }];
    let out = dir.path().join("store");
    let store = prepare(&toy, &out, &of_side(32)).unwrap();
    let runs = Mask::Runs {
        width: 60,
        height: 48,
        runs: vec![[5 * 48 + 3, 2], [6 * 48, 1]],
    };
    let masks: Vec<Option<&Mask>> = store.records().iter().map(|r| r.mask.as_ref()).collect();
    assert_eq!(masks[..3], [Some(&runs), Some(&own), Some(&runs)]);
    assert_eq!(store.records()[3].film, "film-008");
    let bad = std::fs::read_to_string(out.join("bad.csv")).unwrap();
    for expected in [
        "film-001,",
        "the mask has 48×60 pixels, its film 60×48",
        "film-002,",
        "absent.png",
        "film-005,",
        "film-006,",
        "the box 'A 40 2 30 4' reaches beyond the film of 60×48 px",
    ] {
        assert!(bad.contains(expected), "{bad}");
    }
}

#[test]
fn unsuitable_folders_and_damaged_stores_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let toy = dataset(dir.path());
    let small = of_side(32);
    let out = dir.path().join("store");
    prepare(&toy, &out, &small).unwrap();
    let say = |r: mflag_store::Result<Store>| r.unwrap_err().to_string();

    let other = say(prepare(&toy, &out, &of_side(64)));
    assert!(
        other.contains("other films or settings (toy, 32 px"),
        "{other}"
    );
    let occupied = say(prepare(&toy, dir.path(), &small));
    assert!(occupied.contains("not empty"), "{occupied}");
    let none = say(Store::open(&dir.path().join("absent")));
    assert!(none.contains("mflag-data prepare"), "{none}");

    let mut missing = toy.clone();
    missing
        .records
        .iter_mut()
        .for_each(|r| r.path = dir.path().join("gone.png"));
    let all_bad = say(prepare(&missing, &dir.path().join("other"), &small));
    assert!(
        all_bad.contains("none of the 40 films") && all_bad.contains("other/bad.csv"),
        "{all_bad}"
    );
    assert!(
        !all_bad.contains("gone.png"),
        "names may be those of patients: {all_bad}"
    );
    let bad = std::fs::read_to_string(dir.path().join("other/bad.csv")).unwrap();
    assert_eq!(bad.matches("gone.png").count(), 40, "{bad}");

    let mut renamed = toy.clone();
    renamed.labels[0] = "Renamed".into();
    let renamed = say(prepare(&renamed, &out, &small));
    assert!(renamed.contains("other names of labels"), "{renamed}");

    let shard = out.join("shards/00000.npy");
    let pixels = std::fs::read(&shard).unwrap();
    for length in [pixels.len() - 100, pixels.len() + 100] {
        let mut other = pixels.clone();
        other.resize(length, 0);
        std::fs::write(&shard, other).unwrap();
        let damaged = say(Store::open(&out));
        assert!(damaged.contains("has the wrong length"), "{damaged}");
    }
    for (from, to, expected) in [
        ("'|u1'", "'<u2'", "holds values <u2"),
        ("False", "True ", "column by column"),
        (
            "{'descr': '|u1'",
            "{{{{{{{{{{{{{{{",
            "a text in quotation marks is missing",
        ),
    ] {
        let header = String::from_utf8_lossy(&pixels[10..128]).replace(from, to);
        let mut other = pixels.clone();
        other[10..128].copy_from_slice(header.as_bytes());
        std::fs::write(&shard, other).unwrap();
        let damaged = say(Store::open(&out));
        assert!(
            damaged.contains("00000.npy") && damaged.contains(expected),
            "{damaged}"
        );
    }
    std::fs::write(&shard, pixels).unwrap();

    let meta = std::fs::read_to_string(out.join("store.json")).unwrap();
    for side in ["0", "16385", "4294967295"] {
        let other = meta.replace("\"side\": 32", &format!("\"side\": {side}"));
        assert_ne!(other, meta);
        std::fs::write(out.join("store.json"), other).unwrap();
        let damaged = say(Store::open(&out));
        assert!(
            damaged.contains(&format!("store.json: side is {side}, not from 1 to 16384")),
            "{damaged}"
        );
    }
    std::fs::write(out.join("store.json"), meta).unwrap();

    let films = std::fs::read(out.join("films.jsonl")).unwrap();
    std::fs::write(out.join("films.jsonl"), &films[..films.len() - 9]).unwrap();
    let damaged = say(Store::open(&out));
    assert!(
        damaged.contains("films.jsonl: line 39 is damaged"),
        "{damaged}"
    );
    std::fs::write(out.join("films.jsonl"), &films).unwrap();
    let shard = out.join("shards/00000.npy");
    let mut bytes = std::fs::read(&shard).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&shard, &bytes).unwrap();
    let changed = Store::open(&out).unwrap().verify().unwrap_err().to_string();
    assert!(
        changed.contains("00000.npy") && changed.contains("digest"),
        "{changed}"
    );
    std::fs::write(&shard, &bytes[..100]).unwrap();
    assert!(say(Store::open(&out)).contains("00000.npy"));
}

fn batches(loader: &Loader, source: Source, epoch: u64, first_batch: usize) -> Vec<Batch<usize>> {
    let augment = Augment {
        crop: true,
        ..Augment::default()
    };
    let epoch = Epoch {
        augment: &augment,
        seed: 5,
        epoch,
        first_batch,
    };
    loader
        .shuffled(source, &epoch, |film, _| film)
        .map(std::result::Result::unwrap)
        .collect()
}

#[test]
fn batches_depend_on_seed_epoch_and_number_alone() {
    let dir = tempfile::tempdir().unwrap();
    let small = of_side(40);
    let store = Arc::new(prepare(&dataset(dir.path()), &dir.path().join("store"), &small).unwrap());
    let train = store.split(Split::Train);
    let of = |full_only, threads, prefetch| {
        let options = loader::Options {
            view: ViewGeometry::new(40, 40, 32).unwrap(),
            batch_size: 4,
            full_only,
            threads,
            prefetch,
        };
        Loader::new(store.clone(), &train, options).unwrap()
    };
    let with = |threads, prefetch| of(true, threads, prefetch);
    let one = with(1, 1);
    assert_eq!((train.len(), one.batches_per_epoch()), (29, 7));
    let all = batches(&one, Source::Pixels, 3, 0);
    assert_eq!(all.len(), 7);
    assert_eq!(all, batches(&with(3, 8), Source::Pixels, 3, 0));
    assert_eq!(all[5..], batches(&with(2, 2), Source::Pixels, 3, 5));
    assert_ne!(all, batches(&one, Source::Pixels, 4, 0));
    let mut seen: Vec<usize> = all.iter().flat_map(|b| b.films.clone()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 28);
    assert!(all.iter().all(|b| b.films == b.targets));

    // Batches for cached features have the same films, and no pixels.
    let mut features = batches(&with(2, 2), Source::Features, 3, 0);
    assert!(features.iter().all(|b| b.pixels.is_empty()));
    for (batch, full) in features.iter_mut().zip(&all) {
        batch.pixels.clone_from(&full.pixels);
    }
    assert_eq!(features, all);

    // Two processes share each batch: films 0 and 2 of it, and films 1 and 3.
    let shares = [0, 1].map(|rank| {
        let loader = with(2, 2).for_rank(rank, 2);
        assert_eq!(loader.batches_per_epoch(), 7);
        batches(&loader, Source::Pixels, 3, 0)
    });
    let area = 32 * 32;
    for (n, whole) in all.iter().enumerate() {
        for (film, pixels) in whole.pixels.chunks_exact(area).enumerate() {
            let (share, place) = (&shares[film % 2][n], film / 2);
            assert_eq!(share.films[place], whole.films[film]);
            assert_eq!(share.pixels[place * area..][..area], *pixels);
        }
    }
    let later = batches(&with(1, 1).for_rank(1, 2), Source::Pixels, 3, 5);
    assert_eq!(later, shares[1][5..]);

    let every = batches(&of(false, 2, 2), Source::Pixels, 3, 0);
    assert_eq!(every[..7], all);
    assert_eq!(every[7].films.len(), 1);

    let ordered: Vec<Batch<()>> = with(2, 2)
        .in_order(Source::Pixels, |_, _| ())
        .map(std::result::Result::unwrap)
        .collect();
    assert_eq!(
        ordered
            .iter()
            .flat_map(|b| b.films.clone())
            .collect::<Vec<_>>(),
        train
    );
    assert_eq!(ordered.last().unwrap().films.len(), 1);
    // Of the 8 batches in order, each of three processes makes every third.
    for (rank, expected) in [vec![0, 3, 6], vec![1, 4, 7], vec![2, 5]]
        .iter()
        .enumerate()
    {
        let own = with(2, 2)
            .for_rank(rank, 3)
            .in_order(Source::Pixels, |_, _| ());
        let own: Vec<Batch<()>> = own.map(std::result::Result::unwrap).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|&n: &usize| ordered[n].clone())
            .collect();
        assert_eq!(own, expected);
    }
    // An iterator that is dropped early ends its threads.
    drop(with(2, 1).in_order(Source::Pixels, |_, _| ()).next());

    let other = loader::Options {
        view: ViewGeometry::new(64, 64, 32).unwrap(),
        batch_size: 4,
        full_only: true,
        threads: 1,
        prefetch: 1,
    };
    let message = Loader::new(store, &train, other).unwrap_err().to_string();
    assert!(
        message.contains("64 px") && message.contains("40 px"),
        "{message}"
    );
}

/// Views of a store of 40 px: as the configuration states them, and what does not fit.
#[test]
fn a_configuration_says_what_is_seen_of_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = prepare(
        &dataset(dir.path()),
        &dir.path().join("store"),
        &of_side(40),
    )
    .unwrap();
    let films = |side, resize| FilmsConfig {
        side,
        resize,
        ..FilmsConfig::default()
    };
    let view = |side, resize| films(side, resize).view_geometry(&store).unwrap();
    let geometry = |resize, side| ViewGeometry::new(40, resize, side).unwrap();
    let stored = Some(Resize::Word(ResizeWord::Store));
    assert_eq!(view(32, None), geometry(32, 32));
    assert_eq!(view(32, Some(Resize::Pixels(36))), geometry(36, 32));
    assert_eq!(view(32, stored), geometry(40, 32));
    for (side, resize, key) in [
        (64, None, "data.side"),
        (64, stored, "data.side"),
        (32, Some(Resize::Pixels(48)), "data.resize"),
    ] {
        let refused = films(side, resize).view_geometry(&store).unwrap_err();
        let message = refused.to_string();
        let named = message.contains("store: ") && message.contains("40 px");
        assert!(
            named && message.contains(&format!("lower {key}")),
            "{message}"
        );
    }

    let all: Vec<usize> = (0..store.records().len()).collect();
    let seen = |side, resize, crop| {
        let augment = Augment {
            crop,
            ..Augment::default()
        };
        films(side, resize).seen(&store, &all, &augment).unwrap()
    };
    assert!(seen(32, None, false).unseen() < 1e-9);
    let words = seen(32, None, false).to_string();
    assert_eq!(words, "the whole square of 40 px, resized to 32 px");
    let words = seen(40, None, false).to_string();
    assert_eq!(words, "the whole square of 40 px");
    let words = seen(32, stored, false).to_string();
    let start = "32 × 32 px of the square of 40 px (the middle); ";
    assert!(
        words.starts_with(start) && words.ends_with(" is never seen"),
        "{words}"
    );
    let words = seen(32, Some(Resize::Pixels(36)), true).to_string();
    let start = "32 × 32 px of the square of 40 px, resized to 36 px (a random part in training";
    assert!(
        words.starts_with(start) && words.ends_with("in training only"),
        "{words}"
    );
}

/// Views in batches, of a store of 8 bits and of one of 16, are those of single films: resized
/// without loss of depth, then cut.
#[test]
fn views_of_a_batch_are_those_of_single_films() {
    let dir = tempfile::tempdir().unwrap();
    for depth in [Depth::Eight, Depth::Sixteen] {
        let mut options = of_side(40);
        options.squaring.depth = depth;
        let out = dir.path().join(u8::from(depth).to_string());
        let store = Arc::new(prepare(&dataset(dir.path()), &out, &options).unwrap());
        let view = ViewGeometry::new(40, 36, 32).unwrap();
        let films: Vec<usize> = (0..store.records().len()).collect();
        let options = loader::Options {
            view,
            batch_size: films.len(),
            full_only: false,
            threads: 1,
            prefetch: 1,
        };
        let loader = Loader::new(store.clone(), &films, options).unwrap();
        let mut batches = loader.in_order(Source::Pixels, |_, _| ());
        let batch = batches.next().unwrap().unwrap();
        assert_eq!(batch.side, 32);
        for (film, pixels) in films.iter().zip(batch.pixels.chunks_exact(32 * 32)) {
            assert_eq!(store.greys(*film).view(view).pixels, pixels);
        }
    }
}
