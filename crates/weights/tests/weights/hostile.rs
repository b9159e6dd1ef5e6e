//! Files that are damaged, have another format, or were made to do harm.

use std::fs;
use std::io::Write;
use std::path::Path;

use mflag_weights::{Error, read};
use proptest::prelude::*;
use rstest::rstest;
use tch::Device;

use crate::{assert_not_executed, golden};

fn write_temporary(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

/// The message of the error, which must name the file.
fn refusal(path: &Path) -> String {
    let error = read(path).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    message
}

fn refusal_of(bytes: &[u8]) -> String {
    refusal(write_temporary(bytes).path())
}

#[rstest]
#[case("evil_root", "posix.system")]
#[case("evil_storage", "posix.system")]
#[case("whole_model", "torch.nn.modules.container.Sequential")]
#[case("complex", "torch.ComplexFloatStorage")]
#[case("tensor_alone", "no named tensors")]
fn objects_without_weights_are_refused(
    #[case] name: &str,
    #[case] reason: &str,
    #[values("zip", "legacy")] form: &str,
) {
    let message = refusal(&golden(&format!("{name}_{form}.pt")));
    assert!(message.contains(reason), "{message}");
    assert_not_executed();
}

#[rstest]
#[case(b"", "is empty")]
#[case(b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull")]
#[case(b"<!DOCTYPE html><html>", "web page")]
#[case(b"\x89HDF\r\n\x1a\n", "HDF5")]
#[case(b"PK\x03\x04 and no more", "damaged or incomplete")]
#[case(b"\xff\xff\xff\xff\xff\xff\xff\x7f{\"a\":1}", "damaged safetensors")]
#[case(b"anything at all", "neither a safetensors file nor")]
fn other_formats_are_recognised(#[case] bytes: &[u8], #[case] reason: &str) {
    let message = refusal_of(bytes);
    assert!(message.contains(reason), "{message}");
}

#[test]
fn a_missing_file_and_a_plain_pickle_are_refused() {
    let error = read(Path::new("absent.pt")).unwrap_err();
    assert!(error.to_string().contains("cannot read absent.pt"));
    assert!(refusal(&golden("plain_pickle.pkl")).contains("not written by torch.save"));
}

/// A legacy file with one complete storage "0" of `count` floats. `program` is the pickle that
/// makes its object.
fn legacy(program: &[u8], count: i64) -> Vec<u8> {
    let real = fs::read(golden("nested_legacy.pt")).unwrap();
    // Magic number, version and system: each ends with STOP, and the next begins with PROTO.
    let starts = real.windows(3).enumerate();
    let mut starts = starts.filter(|(_, w)| *w == b".\x80\x02");
    let (end_of_system, _) = starts.nth(2).unwrap();
    let storage = vec![0; 4 * usize::try_from(count).unwrap()];
    [
        &real[..=end_of_system],
        b"\x80\x02",
        program,
        b".\x80\x02]U\x010a.",
        &count.to_le_bytes(),
        &storage,
    ]
    .concat()
}

/// The program of {"w": tensor} with this offset, size and stride in storage "0" of 4 floats.
fn one_tensor(offset: i64, size: &[i64], stride: &[i64]) -> Vec<u8> {
    fn long(value: i64) -> Vec<u8> {
        [&b"\x8a\x08"[..], &value.to_le_bytes()].concat()
    }
    fn tuple(values: &[i64]) -> Vec<u8> {
        let items: Vec<u8> = values.iter().copied().flat_map(long).collect();
        [&b"("[..], &items, b"t"].concat()
    }
    [
        &b"}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu"[..],
        &long(4),
        b"NtQ",
        &long(offset),
        &tuple(size),
        &tuple(stride),
        b"\x89NtRs",
    ]
    .concat()
}

#[test]
fn a_tensor_within_its_storage_is_read() {
    let file = write_temporary(&legacy(&one_tensor(1, &[3], &[1]), 4));
    assert_eq!(read(file.path()).unwrap()["w"].size(), [3]);
}

#[rstest]
#[case::beyond(2, &[3], &[1])]
#[case::negative_offset(-1, &[3], &[1])]
#[case::negative_size(0, &[-3], &[1])]
#[case::negative_stride(3, &[3], &[-1])]
#[case::product_overflows(0, &[i64::MAX, i64::MAX], &[0, 0])]
#[case::position_overflows(0, &[3, 3], &[i64::MAX, i64::MAX])]
#[case::strides_lack(0, &[2, 2], &[1])]
fn a_tensor_outside_its_storage_is_refused(
    #[case] offset: i64,
    #[case] size: &[i64],
    #[case] stride: &[i64],
) {
    let message = refusal_of(&legacy(&one_tensor(offset, size, stride), 4));
    assert!(message.contains("damaged: a tensor"), "{message}");
}

/// If the expected message is "no tensor uses storage 0", the reader has read the hostile program
/// to its end without harm.
#[rstest]
#[case::nested_deep([vec![b')'], vec![0x85; 1_000_000]].concat(), "no tensor uses")]
#[case::too_many_values(vec![b']'; 5_000_000], "more than 4000000 values")]
#[case::list_of_itself(b"]q\x00h\x00a".to_vec(), "no tensor uses")]
#[case::long_text(b"X\xff\xff\xff\xff".to_vec(), "cut off")]
#[case::longer_text(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "cut off")]
#[case::empty_stack(b"0".to_vec(), "from an empty stack")]
#[case::below_the_mark(b"N(0".to_vec(), "from an empty stack")]
#[case::no_mark(b"Nt".to_vec(), "uses a mark that it did not set")]
#[case::forgotten(b"h\x07".to_vec(), "reads a memo that it did not write")]
#[case::odd_items(b"}(Nu".to_vec(), "key without a value")]
#[case::unknown_opcode(b"\x00".to_vec(), "opcode 0x00")]
fn hostile_pickles_are_refused(#[case] program: Vec<u8>, #[case] reason: &str) {
    let message = refusal_of(&legacy(&program, 0));
    assert!(message.contains(reason), "{message}");
}

#[test]
fn a_dictionary_is_read_once_however_often_it_occurs() {
    // Level 0 contains itself. Each of the levels above contains the one below it twice: 2^60
    // paths.
    let mut program = one_tensor(0, &[4], &[1]);
    program.extend(b"q\x00U\x01ah\x00s");
    for level in 1..60 {
        let below = level - 1;
        program.extend([b'}', b'q', level, b'(']);
        program.extend([b'U', 1, b'a', b'h', below, b'U', 1, b'b', b'h', below, b'u']);
    }
    let start = write_temporary(&legacy(&program[..], 4));
    assert!(
        refusal(start.path()).contains("no named tensors"),
        "too deep"
    );
    program.extend(b"h\x03");
    let tensors = read(write_temporary(&legacy(&program, 4)).path()).unwrap();
    assert!(tensors.keys().eq(["a.a.a.w"]));
}

#[test]
fn lengths_that_disagree_with_the_file_are_refused() {
    let good = legacy(&one_tensor(0, &[4], &[1]), 4);
    assert!(refusal_of(&good[..good.len() - 1]).contains("cut off in storage 0"));
    assert!(refusal_of(&legacy(&one_tensor(0, &[4], &[1]), 3)).contains("two different lengths"));
}

#[test]
fn a_changed_byte_in_a_zip_file_is_detected() {
    let mut bytes = fs::read(golden("nested_zip.pt")).unwrap();
    let number = (-0.25_f32).to_le_bytes(); // nowhere else in the file
    let at = bytes.windows(4).rposition(|w| w == number).unwrap();
    bytes[at] ^= 1;
    assert!(refusal_of(&bytes).contains("checksum"));
}

#[rstest]
#[case::compressed(
    zip::CompressionMethod::Deflated,
    "little",
    "compressed entry `byteorder`"
)]
#[case::big_endian(zip::CompressionMethod::Stored, "big", "big-endian")]
#[case::empty_pickle(zip::CompressionMethod::Stored, "little", "cut off")]
fn other_zip_files_are_refused(
    #[case] method: zip::CompressionMethod,
    #[case] order: &str,
    #[case] reason: &str,
) {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, content) in [("a/byteorder", order), ("a/data.pkl", "")] {
        zip.start_file(name, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let message = refusal_of(&zip.finish().unwrap().into_inner());
    assert!(message.contains(reason), "{message}");
}

fn all_files() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e != "json"))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_give_errors_or_tensors_but_never_a_panic(
        bytes in prop::sample::select(all_files()),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = bytes;
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let file = write_temporary(&bytes);
        match read(file.path()) {
            Ok(tensors) => prop_assert!(tensors.values().all(|t| t.device() == Device::Cpu)),
            Err(error) => prop_assert!(error.to_string().contains(file.path().to_str().unwrap())),
        }
        assert_not_executed();
    }

    #[test]
    fn random_programs_never_panic(program in prop::collection::vec(
        prop::sample::select(b".012NKM]})aestublRQ(\x81\x85\x86\x87\x88\x8a\x90\x91\x93\x94qh\x00\x01".to_vec()),
        0..60,
    )) {
        let tensor = one_tensor(0, &[4], &[1]);
        let file = write_temporary(&legacy(&[tensor, program].concat(), 4));
        let _ = read(file.path());
    }
}
