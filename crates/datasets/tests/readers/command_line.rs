//! The subcommands of the readers, and the options that readers share.

use std::fmt::Debug;

use clap::{Command, FromArgMatches, Subcommand};
use mflag_datasets::readers::{DataSet, siim};
use mflag_datasets::split::{Rule, RuleOptions, SplitOptions};
use mflag_store::{Dataset, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, films, left_out, refusal};

/// Flags that a program adds.
#[derive(Debug, clap::Args)]
struct Added {
    #[arg(long, default_value_t = 256)]
    side: u32,
    #[arg(long, default_value = "pad")]
    fit: String,
    #[arg(long, default_value = "voi")]
    window: String,
}

/// Parses the words after `mflag-data prepare`.
fn parse(words: &[&str]) -> Result<DataSet<Added>, String> {
    let command =
        DataSet::<Added>::augment_subcommands(Command::new("prepare").no_binary_name(true));
    let matches = command.try_get_matches_from(words);
    let data_set = matches.and_then(|m| DataSet::from_arg_matches(&m));
    data_set.map_err(|e| e.to_string())
}

/// Reads a data set in the tree by its subcommand.
fn read(tree: &Tree, data_set: &str, flags: &[&str]) -> mflag_store::Result<Dataset> {
    let root = tree.root().to_str().unwrap();
    parse(&[&[data_set, "--root", root], flags].concat())
        .unwrap()
        .read()
}

/// Six films without a pneumothorax and one with, in SIIM-ACR's layout.
fn siim() -> Tree {
    let tree = Tree::new();
    let negatives = (0..6).map(|i| format!("n{i},-1\n"));
    let rows = negatives.collect::<String>();
    tree.write(
        "train-rle.csv",
        format!("ImageId,EncodedPixels\np,5 3\n{rows}"),
    );
    for film in ["p", "n0", "n1", "n2", "n3", "n4", "n5"] {
        tree.write(&format!("dicom-images-train/{film}.dcm"), "film");
    }
    tree
}

/// The text of the authors' code needs headings in its form, and has no other options.
#[test]
fn the_official_text_of_a_report_can_be_chosen() {
    let tree = Tree::new();
    tree.write("films/a.png", "film");
    let report = "FINAL REPORT\n FINDINGS: Clear\n lungs.\n\n IMPRESSION:\n 1. No change from ___.";
    tree.write(
        "manifest.csv",
        format!("film,patient,text\nfilms/a.png,P-1,\"{report}\"\n"),
    );
    let root = tree.path("manifest.csv");
    let words = [
        "manifest",
        "--root",
        root.to_str().unwrap(),
        "--official-text",
    ];
    let data = parse(&words).unwrap().read().unwrap();
    let text = "1. No change from ___.Clear\n lungs.";
    assert_eq!(data.records[0].text.as_deref(), Some(text));
    for other in ["--headings=any", "--non-ascii=drop"] {
        let refused = parse(&[&words[..], &[other]].concat()).unwrap_err();
        assert!(refused.contains("cannot be used with"), "{refused}");
    }
}

#[test]
fn a_list_gives_the_splits() {
    let tree = siim();
    let list = tree.path("list.csv");
    let list = list.to_str().unwrap();
    let read = |flags: &[&str]| read(&tree, "siim", &[&["--list", list], flags].concat());
    tree.write(
        "list.csv",
        "film,split\np,train\nn3,train\nn1,test\nn2,train\nother,train\n",
    );
    let data = read(&[]).unwrap();
    let expected = [
        ("n1", Split::Test),
        ("n2", Split::Train),
        ("n3", Split::Train),
        ("p", Split::Train),
    ];
    assert_eq!(films(&data), expected);
    assert_eq!(left_out(&data), [("not in the list of splits", 3)]);
    Card::open("README.md").mentions("not in the list of splits");
    // The training films of the list are balanced.
    let data = read(&["--balance"]).unwrap();
    assert_eq!(data.records.len(), 3);
    assert_eq!(left_out(&data)[1].1, 1);

    for (table, expected) in [
        (
            "film,split\nother,train\n",
            "list.csv: lists none of the 7 films of siim-acr",
        ),
        (
            "film,split\np,val\n",
            "row 2, column 'split': 'val' is not allowed; it must be train, validate or test (did you mean 'validate'?)",
        ),
        (
            "film,split\np,train\np,test\n",
            "it must be train, as in the film's earlier row",
        ),
    ] {
        tree.write("list.csv", table);
        let error = refusal(read(&[]));
        assert!(error.contains(expected), "{error}");
    }
    tree.remove("list.csv");
    let error = refusal(read(&[]));
    assert!(
        error.starts_with("cannot read ") && error.contains("list.csv"),
        "{error}"
    );
}

/// A folder of lists, in the form that BenchX has: names of films with or without their ending.
#[test]
fn a_folder_of_lists_gives_the_splits() {
    let tree = siim();
    let folder = tree.path("lists");
    let folder = folder.to_str().unwrap();
    let read = || read(&tree, "siim", &["--list", folder]);
    tree.write("lists/train.txt", "p\nn0\n\nabsent\n");
    tree.write("lists/val.txt", "n1\r\n");
    let error = refusal(read());
    assert!(error.contains("has no test.txt"), "{error}");
    tree.write("lists/test.txt", "n2");
    let data = read().unwrap();
    let expected = [
        ("n0", Split::Train),
        ("n1", Split::Validate),
        ("n2", Split::Test),
        ("p", Split::Train),
    ];
    assert_eq!(films(&data), expected);
    assert_eq!(left_out(&data), [("not in the list of splits", 3)]);
    tree.write("lists/test.txt", "n2\nn1\n");
    let error = refusal(read());
    assert!(
        error.contains("test.txt: lists n1, which is also for validate"),
        "{error}"
    );
}

/// A list of test patients, in the form that CheXclusion has: a line for each film, with the number
/// of its patient.
#[test]
fn a_list_of_test_patients_moves_them_to_test_and_draws_no_others() {
    let tree = siim();
    let list = tree.path("testSet_SubjID.csv");
    let list = list.to_str().unwrap();
    let read = |flags: &[&str]| read(&tree, "siim", &[&["--test-patients", list], flags].concat());
    tree.write("testSet_SubjID.csv", "Subject\nn00003\n3\n3\nn9\n");
    // The numbers of p and of n0 to n5.
    let data = read(&["--validate", "0"]).unwrap();
    let test: Vec<_> = films(&data)
        .into_iter()
        .filter(|(_, split)| *split == Split::Test)
        .collect();
    assert_eq!(test, [("n3", Split::Test)]);
    assert_eq!(data.records.len(), 7, "no film is left out");

    let error = refusal(read(&["--split", "mgca"]));
    assert!(error.contains("use --split patient"), "{error}");
    tree.write("testSet_SubjID.csv", "77\n");
    let error = refusal(read(&[]));
    assert!(
        error.contains("lists none of the patients of siim-acr"),
        "{error}"
    );
}

/// The command line refuses a flag or a value that the data set does not have.
#[rstest]
#[case(&["mimic", "--films", "x"], "unexpected argument '--films'")]
#[case(&["chexpert", "--reports", "x"], "unexpected argument '--reports'")]
#[case(&["nih", "--views", "pa"], "unexpected argument '--views'")]
#[case(&["rsna", "--balance"], "unexpected argument '--balance'")]
#[case(&["siim", "--labels", "negbio"], "unexpected argument '--labels'")]
#[case(&["object-cxr", "--agree", "3"], "unexpected argument '--agree'")]
#[case(&["vindr", "--text", "optional"], "unexpected argument '--text'")]
#[case(&["rsna", "--name", "x"], "unexpected argument '--name'")]
#[case(&["manifest", "--list", "x"], "unexpected argument '--list'")]
#[case(&["nih", "--split", "mgca"], "[possible values: official, patient]")]
#[case(&["vindr", "--split", "official"], "[possible values: patient]")]
#[case(&["nih", "--split", "pacient"], "'patient'")]
#[case(&["mimic", "--labels", "cheXpert"], "'chexpert'")]
#[case(&["siim", "--list", "x", "--split", "mgca"], "cannot be used with")]
#[case(&["siim", "--test-patients", "x", "--test", "0.1"], "cannot be used with")]
#[case(&["manifest", "--test-patients", "x"], "unexpected argument '--test-patients'")]
#[case(&["mimic", "--views", "lateral"], "possible values: pa, ap")]
#[case(&["manifest", "--name", ""], "a value is required for '--name")]
#[case(&["mimik"], "'mimic'")]
fn unknown_flags_and_values_are_refused(#[case] words: &[&str], #[case] expected: &str) {
    let error = parse(words).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

/// The reader refuses parts and a seed that the chosen rule does not use.
#[rstest]
#[case("object-cxr", &["--test", "0.1"], "--test: not supported for the split 'mgca'")]
#[case("object-cxr", &["--split", "official", "--seed", "1"], "--seed: not supported for the split 'official'")]
#[case("mimic", &["--seed", "1"], "--seed: not supported for the split 'official', because the release itself fixes the split of these films; remove the flag")]
fn unused_flags_are_refused(
    #[case] data_set: &str,
    #[case] flags: &[&str],
    #[case] expected: &str,
) {
    let error = refusal(read(&Tree::new(), data_set, flags));
    assert!(error.contains(expected), "{error}");
}

#[test]
fn flags_become_options() {
    let words = [
        "siim",
        "--root",
        "films",
        "--split",
        "mgca",
        "--test",
        "0.2",
        "--seed",
        "3",
        "--balance",
        "--side",
        "32",
        "--fit",
        "squeeze",
    ];
    let data_set = parse(&words).unwrap();
    let added = data_set.added();
    let flags = (added.side, &*added.fit, &*added.window);
    assert_eq!(flags, (32, "squeeze", "voi"));
    let DataSet::Siim(args) = data_set else {
        panic!("{data_set:?}")
    };
    let rule = RuleOptions {
        rule: Some(Rule::Mgca),
        validate: None,
        test: Some(0.2),
        seed: Some(3),
    };
    let expected = siim::Options {
        films: None,
        balance: true,
        split: SplitOptions::from(rule),
        ..siim::Options::default()
    };
    assert_eq!(args.options, expected);
}

/// The help of a subcommand has the flags of its reader, and an example that can be parsed.
#[test]
fn the_help_of_each_data_set_is_its_own() {
    let mut command = DataSet::<Added>::augment_subcommands(Command::new("prepare"));
    command.build();
    for data_set in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let name = data_set.get_name();
        let help = data_set.clone().render_help().to_string();
        for (flag, only) in [
            ("--balance", &["siim"][..]),
            ("--agree", &["vindr"]),
            ("--reports", &["mimic"]),
            ("--text", &["mimic", "manifest"]),
        ] {
            let has_flag = help.contains(&format!("{flag} "));
            let has_flag = has_flag || help.contains(&format!("{flag}\n"));
            assert_eq!(has_flag, only.contains(&name), "{name}: {help}");
        }
        assert_eq!(help.contains("--list"), name != "manifest", "{help}");
        assert_eq!(help.contains("--test <"), name != "object-cxr", "{help}");
        let example = help.split_once("\n  mflag-data prepare ").unwrap().1;
        let example = example.split("\n  mflag-data").next().unwrap();
        let words = example.split_whitespace().filter(|word| *word != "\\");
        let words: Vec<&str> = words.collect();
        // `--out` is not a flag of the readers.
        let out = words.iter().position(|word| *word == "--out").unwrap();
        parse(&words[..out]).unwrap();
        assert_eq!(words[0], name);
    }
}
