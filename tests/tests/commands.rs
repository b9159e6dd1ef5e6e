//! Checks what all programs have in common on the command line.

use std::process::{Command, Output};

use mflag_tests::programs::{fail, program, succeed};

const PROGRAMS: [&str; 7] = [
    "mflag-data",
    "mflag-pretrain",
    "mflag-classify",
    "mflag-segment",
    "mflag-detect",
    "mflag-experiments",
    "mflag-report",
];

/// Lists every subcommand of a program, from its help.
fn commands(name: &str) -> Vec<String> {
    let help = succeed(program(name).arg("--help"));
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let list = list.take_while(|line| !line.is_empty());
    // Continuation lines of a description are indented further.
    let words = list.filter(|line| !line.starts_with("   "));
    let words = words.filter_map(|line| line.split_whitespace().next());
    let words = words.filter(|word| *word != "help");
    words.map(str::to_owned).collect()
}

#[test]
fn help_has_examples_and_exit_codes() {
    for name in PROGRAMS {
        let help = succeed(program(name).arg("--help"));
        assert!(help.contains(&format!("Examples:\n  {name} ")), "{help}");
        assert!(help.contains("Exit codes: 0 done; 1 failed"), "{help}");
        assert!(help.contains("--json"), "{help}");
        for command in commands(name) {
            let help = succeed(program(name).args([&command, "--help"]));
            let example = format!("Examples:\n  {name} {command} ");
            let of_data_sets = command == "prepare";
            assert!(help.contains(&example), "{help}");
            if of_data_sets {
                for data_set in ["mimic", "manifest"] {
                    let help = succeed(program(name).args([&command, data_set, "--help"]));
                    assert!(help.contains("Example"), "{help}");
                }
            }
        }
    }
}

#[test]
fn completions_name_every_command() {
    for name in PROGRAMS {
        for shell in ["bash", "zsh", "fish"] {
            let script = succeed(program(name).args(["completions", shell]));
            for command in commands(name) {
                assert!(script.contains(&command), "{name} {shell} {command}");
            }
        }
    }
}

#[test]
fn man_pages_are_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for name in PROGRAMS {
        succeed(program(name).arg("man").arg("--out").arg(folder.path()));
        let pages = commands(name)
            .into_iter()
            .map(|command| format!("{name}-{command}.1"));
        for page in pages.chain([format!("{name}.1")]) {
            let text = std::fs::read_to_string(folder.path().join(&page)).unwrap();
            assert!(text.contains(".SH SYNOPSIS"), "{page}: {text}");
        }
    }
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_code_2() {
    for name in PROGRAMS {
        let Output { status, stderr, .. } = program(name).arg("--quite").output().unwrap();
        assert_eq!(status.code(), Some(2));
        let said = String::from_utf8(stderr).unwrap();
        assert!(
            said.contains("a similar argument exists: '--quiet'"),
            "{said}"
        );
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("metrics.jsonl"), "").unwrap();
    let report = folder.path().join("report.html");
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let mut written = program("mflag-report");
    written.arg(folder.path()).arg("--out").arg(&report);
    for mut command in [written, schema()] {
        let said = fail(command.stdout(full()));
        assert!(said.contains("cannot write to standard output"), "{said}");
    }
    assert!(report.exists(), "the report is written nevertheless");
    // Now the error message cannot be written either; the program must not abort.
    let mut absent = program("mflag-report");
    let ended = absent.arg("absent").stderr(full()).status().unwrap();
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn a_reader_that_has_seen_enough_stops_no_work() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("films");
    let mut phantom = program("mflag-data");
    phantom.args([
        "phantom", "--as", "manifest", "--films", "3", "--side", "64", "--out",
    ]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = phantom.arg(&out).stdout(writer).status().unwrap();
    assert_eq!(ended.code(), Some(0));
    assert!(out.join("manifest.csv").exists());
}

fn schema() -> Command {
    let mut schema = program("mflag-pretrain");
    schema.arg("schema");
    schema
}

#[test]
fn what_goes_into_a_file_has_no_colours() {
    for name in PROGRAMS {
        let config = match name {
            "mflag-data" => vec!["verify", "absent"],
            "mflag-experiments" => vec!["plan", "absent.yaml"],
            "mflag-report" => vec!["absent"],
            _ => vec!["train", "--run", "absent", "--set", "data.store=absent"],
        };
        let said = fail(program(name).args(config));
        assert!(
            said.starts_with("error: ") && !said.contains('\x1b'),
            "{said}"
        );
    }
}

#[test]
fn the_configuration_reference_is_as_the_schemas_are() {
    let mut check = Command::new("python3");
    check.args(["scripts/configuration.py", "--check"]);
    succeed(check.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
}
