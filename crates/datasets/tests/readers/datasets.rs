//! What the command line says beside the folder of a data set.

use clap::{Args, Command, FromArgMatches, ValueEnum};
use mflag_datasets::by_name::{Layout, Options, read};
use mflag_store::{Dataset, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, dropped, films, refusal};

/// The options of a command line.
fn options(flags: &[&str]) -> Result<Options, String> {
    let command = Options::augment_args(Command::new("prepare").no_binary_name(true));
    let matches = command.try_get_matches_from(flags);
    let options = matches.and_then(|m| Options::from_arg_matches(&m));
    options.map_err(|e| e.to_string())
}

fn layout(name: &str) -> Layout {
    Layout::from_str(name, false).unwrap()
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

fn read_siim(tree: &Tree, flags: &[&str]) -> mflag_store::Result<Dataset> {
    read(Layout::Siim, tree.root(), &options(flags).unwrap())
}

#[test]
fn a_list_gives_the_splits() {
    let tree = siim();
    let list = tree.path("list.csv");
    let list = list.to_str().unwrap();
    tree.write(
        "list.csv",
        "film,split\np,train\nn3,train\nn1,test\nn2,train\nother,train\n",
    );
    let data = read_siim(&tree, &["--list", list]).unwrap();
    let expected = [
        ("n1", Split::Test),
        ("n2", Split::Train),
        ("n3", Split::Train),
        ("p", Split::Train),
    ];
    assert_eq!(films(&data), expected);
    assert_eq!(dropped(&data), [("not in the list of splits", 3)]);
    Card::open("README.md").mentions("not in the list of splits");
    // What is balanced is the list's training.
    let data = read_siim(&tree, &["--list", list, "--balance"]).unwrap();
    assert_eq!(data.records.len(), 3);
    assert_eq!(dropped(&data)[1].1, 1);

    tree.write("list.csv", "film,split\nother,train\n");
    let told = refusal(read_siim(&tree, &["--list", list]));
    assert!(
        told.contains("list.csv: lists none of the 7 films"),
        "{told}"
    );
    tree.write("list.csv", "film,split\np,val\n");
    let told = refusal(read_siim(&tree, &["--list", list]));
    assert!(
        told.ends_with("row 2, column 'split': 'val' is not allowed; it must be train, validate or test (did you mean 'validate'?)"),
        "{told}"
    );
    tree.write("list.csv", "film,split\np,train\np,test\n");
    let told = refusal(read_siim(&tree, &["--list", list]));
    assert!(
        told.contains("it must be train, as in the film's earlier row"),
        "{told}"
    );
    tree.remove("list.csv");
    let told = refusal(read_siim(&tree, &["--list", list]));
    assert!(
        told.starts_with("cannot read ") && told.contains("list.csv"),
        "{told}"
    );
}

/// A flag is refused where it would do nothing.
#[rstest]
#[case("mimic", &["--films", "x", "--balance"], "--films, --balance: mimic has no use for it; leave it out")]
#[case("chexpert", &["--reports", "x"], "--reports: chexpert has no use for it")]
#[case("nih", &["--views", "pa"], "--views: nih has no use for it")]
#[case("rsna", &["--balance"], "--balance: rsna has no use for it")]
#[case("siim", &["--labels", "negbio"], "--labels: siim has no use for it")]
#[case("object-cxr", &["--agree", "3"], "--agree: object-cxr has no use for it")]
#[case("vindr", &["--text", "optional"], "--text: vindr has no use for it")]
#[case("rsna", &["--name", "x"], "--name: rsna has no use for it")]
#[case("manifest", &["--list", "x"], "--list: manifest has no use for it")]
#[case("nih", &["--split", "mgca"], "--split mgca: this data set has no such split (known: official, patient)")]
#[case("vindr", &["--split", "official"], "(known: patient)")]
#[case("object-cxr", &["--test", "0.1"], "--test: the split 'mgca' of this data set is given")]
#[case("object-cxr", &["--split", "official", "--seed", "1"], "--seed: the split 'official'")]
#[case("mimic", &["--seed", "1"], "--seed: the split 'official' of this data set is given; leave it out")]
fn useless_flags_are_refused(#[case] name: &str, #[case] flags: &[&str], #[case] expected: &str) {
    let tree = Tree::new();
    let told = refusal(read(layout(name), tree.root(), &options(flags).unwrap()));
    assert!(told.contains(expected), "{told}");
}

#[rstest]
#[case(&["--split", "pacient"], "'patient'")]
#[case(&["--labels", "cheXpert"], "'chexpert'")]
#[case(&["--list", "x", "--split", "mgca"], "cannot be used with")]
#[case(&["--views", "lateral"], "possible values: pa, ap")]
fn slips_are_told(#[case] flags: &[&str], #[case] expected: &str) {
    let told = options(flags).unwrap_err();
    assert!(told.contains(expected), "{told}");
}
