//! The text cache: one vector for each distinct text, computed once by the frozen language model.
//!
//! The language model is frozen and in evaluation mode, and texts are not augmented, so the vector
//! of a text never changes. A cache folder holds one folder for each fingerprint (model weights,
//! tokenizer, configuration, pooling, length limit), so that vectors of different models never mix:
//!
//! ```text
//! <cache>/<fingerprint>/00000.npy     f32 [n, hidden]
//! <cache>/<fingerprint>/00000.keys    n lines: BLAKE3 of each row's text, and `whole` or `cut`;
//!                                     then a line with `npy` and the BLAKE3 of the npy file
//! ```
//!
//! A text that is `cut` has more tokens than the length limit. Older caches do not say it.
//!
//! Parts are only added, by one program at a time. A part is valid once its `.keys` file exists,
//! which is written last, so a run that is killed loses only the part that it was computing.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use mflag_core::{atomic, digest, npy};
use mflag_encoder::text::Embedded;
use mflag_input::LIST;
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// Prefix of the line with the digest of a part's npy file.
const NPY_DIGEST: &str = "npy ";

/// Endings of a text's line.
const CUT: &str = " cut";
const WHOLE: &str = " whole";

/// Maximum number of texts in one part.
const PART: usize = 4096;

/// Vectors by text, memory-mapped from disk.
#[derive(Debug)]
pub struct TextCache {
    folder: PathBuf,
    hidden: usize,
    /// The position of each vector, by the digest of its text.
    rows: HashMap<String, Row>,
    /// Whether the text of a row was cut, as far as the cache says it.
    cut: HashMap<Row, bool>,
    vectors: Vectors,
}

/// How many texts were cut at the length limit of the language model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CutTexts {
    /// Texts that were cut.
    pub cut: usize,
    /// Texts of which an older cache does not say it.
    pub unknown: usize,
}

/// The position of a text's vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    part: u32,
    row: u32,
}

/// The vectors without their texts. They are memory-mapped, so they take no memory of the process.
#[derive(Debug, Default)]
pub struct Vectors {
    /// A tensor f32 `[n, hidden]` for each part.
    parts: Vec<Tensor>,
}

impl Vectors {
    /// The vectors of these rows, f32 `[rows, hidden]`.
    ///
    /// # Errors
    /// If `rows` is empty or belongs to another cache.
    pub fn gather(&self, rows: &[Row]) -> Result<Tensor> {
        let vector = |&Row { part, row }: &Row| {
            let part = self.parts.get(part as usize);
            let part = part.ok_or_else(|| Error::Data("a row of another text cache".into()))?;
            Ok(part.f_get(i64::from(row))?)
        };
        let vectors: Vec<Tensor> = rows.iter().map(vector).collect::<Result<_>>()?;
        Ok(Tensor::f_stack(&vectors, 0)?)
    }
}

/// The result of [`TextCache::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Distinct texts.
    pub distinct: usize,
    /// Texts that were not in the cache and have been encoded.
    pub encoded: usize,
}

impl TextCache {
    /// Opens the cache in the folder `root` for the model with this `fingerprint`, whose vectors
    /// have `hidden` values. If the folder does not exist, the cache is empty.
    ///
    /// # Errors
    /// If a part cannot be read or is damaged.
    pub fn open(root: &Path, fingerprint: &str, hidden: usize) -> Result<TextCache> {
        let folder = root.join(fingerprint);
        let mut cache = TextCache {
            folder,
            hidden,
            rows: HashMap::new(),
            cut: HashMap::new(),
            vectors: Vectors::default(),
        };
        cache.read_parts()?;
        Ok(cache)
    }

    /// Number of texts in the cache.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the cache has no texts.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Width of a vector.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The row of `text`, if it is in the cache.
    pub fn row(&self, text: &str) -> Option<Row> {
        self.rows.get(&digest::bytes(text.as_bytes())).copied()
    }

    /// How many of these texts were cut. Texts that are not in the cache do not count.
    pub fn count_cut(&self, texts: &[String]) -> CutTexts {
        let mut counts = CutTexts::default();
        for row in texts.iter().filter_map(|text| self.row(text)) {
            match self.cut.get(&row) {
                Some(cut) => counts.cut += usize::from(*cut),
                None => counts.unknown += 1,
            }
        }
        counts
    }

    /// The vectors without their texts.
    pub fn into_vectors(self) -> Vectors {
        self.vectors
    }

    /// Encodes the missing texts by `encode`, and writes each part to disk as soon as it is
    /// computed. Waits while another program fills the same cache, and then reads what it has
    /// added.
    ///
    /// # Errors
    /// If `encode` fails, or a part cannot be read or written.
    pub fn fill(
        &mut self,
        texts: &[String],
        mut encode: impl FnMut(&[String]) -> Result<Embedded>,
    ) -> Result<Filled> {
        let mut seen = HashSet::new();
        let distinct: Vec<&String> = texts.iter().filter(|t| seen.insert(t.as_str())).collect();
        if self.missing(&distinct).is_empty() {
            return Ok(Filled {
                distinct: distinct.len(),
                encoded: 0,
            });
        }
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        let _lock = atomic::lock_in_turn(folder)?;
        self.read_parts()?;
        let missing = self.missing(&distinct);
        for part in missing.chunks(PART) {
            let Embedded { vectors, cut } = encode(part)?;
            let keys = part.iter().zip(cut).map(|(text, cut)| {
                let state = if cut { CUT } else { WHOLE };
                format!("{}{state}", digest::bytes(text.as_bytes()))
            });
            self.write_part(&keys.collect::<Vec<_>>(), &vectors)?;
            self.read_part()?;
        }
        Ok(Filled {
            distinct: distinct.len(),
            encoded: missing.len(),
        })
    }

    /// The texts that are not in the cache, sorted by length, so that batches need little padding.
    fn missing(&self, texts: &[&String]) -> Vec<String> {
        let missing = texts.iter().filter(|t| self.row(t).is_none());
        let mut missing: Vec<String> = missing.map(|t| (*t).clone()).collect();
        missing.sort_by_key(String::len);
        missing
    }

    fn part_file(&self, extension: &str) -> PathBuf {
        let number = self.vectors.parts.len();
        self.folder.join(format!("{number:05}.{extension}"))
    }

    fn write_part(&self, keys: &[String], values: &Array2<f32>) -> Result<()> {
        let values_file = self.part_file("npy");
        let header = npy::Header {
            values: npy::Values::F32,
            shape: vec![values.nrows() as u64, values.ncols() as u64],
        };
        atomic::write(&values_file, |file| {
            file.write_all(&header.bytes())?;
            let mut values = values.iter();
            values.try_for_each(|value| file.write_all(&value.to_le_bytes()))
        })?;
        let digest = digest::file(&values_file)?;
        atomic::write(&self.part_file("keys"), |file| {
            writeln!(file, "{}\n{NPY_DIGEST}{digest}", keys.join("\n"))
        })?;
        Ok(())
    }

    /// Reads all parts on disk that have not been read yet.
    fn read_parts(&mut self) -> Result<()> {
        while self.part_file("keys").exists() {
            self.read_part()?;
        }
        Ok(())
    }

    /// Reads the next part.
    fn read_part(&mut self) -> Result<()> {
        let (keys_file, values_file) = (self.part_file("keys"), self.part_file("npy"));
        let keys = mflag_input::read_text(&keys_file, &LIST)
            .map_err(|e| Error::io("read", &keys_file, e))?;
        let mut keys: Vec<&str> = keys.lines().collect();
        let digest = keys.pop().and_then(|line| line.strip_prefix(NPY_DIGEST));
        if digest != Some(digest::file(&values_file)?.as_str()) {
            return Err(Error::TextCache {
                path: values_file,
                reason: "its digest does not match".to_owned(),
            });
        }
        let shape = [keys.len() as u64, self.hidden as u64];
        let values = map_npy(&values_file, shape)?;
        let part = self.vectors.parts.len() as u32;
        for (key, row) in keys.into_iter().zip(0..) {
            let row = Row { part, row };
            let state = [(CUT, true), (WHOLE, false)]
                .into_iter()
                .find_map(|(ending, cut)| Some((key.strip_suffix(ending)?, cut)));
            if let Some((_, cut)) = state {
                self.cut.insert(row, cut);
            }
            let key = state.map_or(key, |(key, _)| key);
            self.rows.insert(key.to_owned(), row);
        }
        self.vectors.parts.push(values);
        Ok(())
    }
}

/// Memory-maps the values of an npy file of f32: `[n, hidden]`.
fn map_npy(path: &Path, shape: [u64; 2]) -> Result<Tensor> {
    let damaged = |reason: String| Error::TextCache {
        path: path.to_owned(),
        reason,
    };
    let map = mflag_input::map(path).map_err(|e| Error::io("read", path, e))?;
    let (header, start) = npy::Header::read(&map).map_err(damaged)?;
    let expected = npy::Header {
        values: npy::Values::F32,
        shape: shape.to_vec(),
    };
    if header != expected {
        return Err(damaged(format!("it holds {header}, not {expected}")));
    }
    let (length, bytes) = (map.len(), shape[0] as usize * shape[1] as usize * 4);
    if length != start + bytes {
        return Err(damaged(format!(
            "it has {length} bytes instead of {}",
            start + bytes
        )));
    }
    let name = path
        .to_str()
        .ok_or_else(|| damaged("its name is not UTF-8".to_owned()))?;
    let file = Tensor::f_from_file(name, false, length as i64, (Kind::Uint8, Device::Cpu))?;
    Ok(file
        .f_narrow(0, start as i64, bytes as i64)?
        .f_view_dtype(Kind::Float)?
        .f_view([shape[0] as i64, shape[1] as i64])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn vector(cache: TextCache, text: &str) -> Vec<f32> {
        let row = cache.row(text).unwrap();
        let gathered = cache.into_vectors().gather(&[row, row]).unwrap();
        assert_eq!(gathered.size(), [2, 2]);
        Vec::try_from(gathered.get(1)).unwrap()
    }

    /// A fake encoder: the length of a text and a constant. It cuts texts of more than 8 letters.
    fn lengths(texts: &[String]) -> Result<Embedded> {
        Ok(Embedded {
            vectors: Array2::from_shape_fn((texts.len(), 2), |(i, j)| {
                if j == 0 { texts[i].len() as f32 } else { 0.5 }
            }),
            cut: texts.iter().map(|text| text.len() > 8).collect(),
        })
    }

    #[test]
    fn cut_texts_are_counted_from_the_cache_and_older_caches_do_not_say_it() {
        let dir = tempfile::tempdir().unwrap();
        let reports = texts(&["effusion", "no effusion", "effusion"]);
        let open = || TextCache::open(dir.path(), "m", 2).unwrap();
        open().fill(&reports, lengths).unwrap();
        let expected = CutTexts { cut: 1, unknown: 0 };
        assert_eq!(open().count_cut(&reports), expected);

        let keys = dir.path().join("m/00000.keys");
        let old = std::fs::read_to_string(&keys).unwrap();
        std::fs::write(&keys, old.replace(CUT, "").replace(WHOLE, "")).unwrap();
        let expected = CutTexts { cut: 0, unknown: 3 };
        assert_eq!(open().count_cut(&reports), expected);
        assert_eq!(vector(open(), "no effusion"), [11.0, 0.5]);
    }

    #[test]
    fn each_distinct_text_is_encoded_once_and_a_second_run_encodes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let reports = texts(&["effusion", "no effusion", "effusion"]);
        let mut cache = TextCache::open(dir.path(), "model-a", 2).unwrap();
        assert_eq!(
            cache.fill(&reports, lengths).unwrap(),
            Filled {
                distinct: 2,
                encoded: 2
            }
        );
        assert_eq!(vector(cache, "no effusion"), [11.0, 0.5]);

        let mut again = TextCache::open(dir.path(), "model-a", 2).unwrap();
        let never = |_: &[String]| -> Result<Embedded> { panic!("encoded again") };
        assert_eq!(
            again.fill(&reports, never).unwrap(),
            Filled {
                distinct: 2,
                encoded: 0
            }
        );
        let more = texts(&["effusion", "nodule"]);
        assert_eq!(
            again.fill(&more, lengths).unwrap(),
            Filled {
                distinct: 2,
                encoded: 1
            }
        );
        assert_eq!(TextCache::open(dir.path(), "model-a", 2).unwrap().len(), 3);
    }

    #[test]
    fn another_model_has_an_empty_cache() {
        let dir = tempfile::tempdir().unwrap();
        TextCache::open(dir.path(), "model-a", 2)
            .unwrap()
            .fill(&texts(&["x y"]), lengths)
            .unwrap();
        assert!(
            TextCache::open(dir.path(), "model-b", 2)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_part_without_keys_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("model-a");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("00000.npy"), b"half a file").unwrap();
        let mut cache = TextCache::open(dir.path(), "model-a", 2).unwrap();
        assert_eq!(cache.fill(&texts(&["x"]), lengths).unwrap().encoded, 1);
        let again = TextCache::open(dir.path(), "model-a", 2).unwrap();
        assert_eq!(vector(again, "x"), [1.0, 0.5]);
    }

    #[test]
    fn parts_that_another_program_added_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let open = || TextCache::open(dir.path(), "m", 2).unwrap();
        let (mut one, mut other) = (open(), open());
        one.fill(&texts(&["x"]), lengths).unwrap();
        let filled = other.fill(&texts(&["yy", "x"]), lengths).unwrap();
        assert_eq!(filled.encoded, 1);
        assert_eq!(vector(other, "x"), [1.0, 0.5]);
        assert_eq!(vector(open(), "yy"), [2.0, 0.5]);
    }

    #[test]
    fn a_damaged_part_is_named() {
        let dir = tempfile::tempdir().unwrap();
        TextCache::open(dir.path(), "m", 2)
            .unwrap()
            .fill(&texts(&["x"]), lengths)
            .unwrap();
        let part = dir.path().join("m/00000.npy");
        let bytes = std::fs::read(&part).unwrap();
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&bytes[..bytes.len() - 3], &flipped] {
            std::fs::write(&part, damaged).unwrap();
            let message = TextCache::open(dir.path(), "m", 2).unwrap_err().to_string();
            assert!(
                message.contains("00000.npy") && message.contains("remove"),
                "{message}"
            );
        }
    }
}
