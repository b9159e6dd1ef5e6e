//! The text cache: one vector for each distinct text, computed once by the frozen language model.
//!
//! The language model is frozen, in evaluation mode and sees no augmentation, so its output for a text is a constant:
//! keeping it is exact. A cache folder holds one folder for each fingerprint (model weights, tokenizer, configuration,
//! pooling, length limit), so that a changed model never meets vectors of another one:
//!
//! ```text
//! <cache>/<fingerprint>/00000.npy     f32 [n, hidden]
//! <cache>/<fingerprint>/00000.keys    n lines: BLAKE3 of each row's text
//! ```
//!
//! Parts are only added. A part counts once its `.keys` is there, and that is written last: a killed run loses at most
//! the part it was computing.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use mflag_core::{atomic, digest};
use ndarray::Array2;

use crate::error::{Error, Result};

/// Texts in one part: what an interrupted run can lose.
const PART: usize = 4096;

/// Embeddings by text, read whole into memory (400 bytes to 3 kB a text).
#[derive(Debug)]
pub struct TextCache {
    folder: PathBuf,
    hidden: usize,
    parts: usize,
    rows: HashMap<String, usize>,
    values: Vec<f32>,
}

/// What [`TextCache::fill`] had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Distinct texts that were asked for.
    pub distinct: usize,
    /// Of these, texts that were not in the cache and were encoded now.
    pub encoded: usize,
}

impl TextCache {
    /// The cache under `root` for the model with this `fingerprint` and `hidden` values a text. An absent folder is an
    /// empty cache.
    ///
    /// # Errors
    /// If a part cannot be read or does not have the right shape; the message names it and says to remove it.
    pub fn open(root: &Path, fingerprint: &str, hidden: usize) -> Result<TextCache> {
        let folder = root.join(fingerprint);
        let mut cache = TextCache {
            folder,
            hidden,
            parts: 0,
            rows: HashMap::new(),
            values: Vec::new(),
        };
        while cache.part_file("keys").exists() {
            cache.read_part()?;
        }
        Ok(cache)
    }

    /// Number of texts held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no text is held.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The vector of `text`, if it has been encoded.
    pub fn get(&self, text: &str) -> Option<&[f32]> {
        let row = *self.rows.get(&digest::bytes(text.as_bytes()))?;
        Some(&self.values[row * self.hidden..(row + 1) * self.hidden])
    }

    /// Encodes the texts that are missing with `encode` (texts → `[n, hidden]`, in order), part by part, each kept
    /// on disk as soon as it is there.
    ///
    /// # Errors
    /// Those of `encode`, and of writing a part.
    pub fn fill(
        &mut self,
        texts: &[String],
        mut encode: impl FnMut(&[String]) -> Result<Array2<f32>>,
    ) -> Result<Filled> {
        let mut seen = HashSet::new();
        let distinct: Vec<&String> = texts.iter().filter(|t| seen.insert(t.as_str())).collect();
        let mut missing: Vec<String> = distinct
            .iter()
            .filter(|t| self.get(t).is_none())
            .map(|t| (*t).clone())
            .collect();
        // Texts of like length share a part, so that its batches carry little padding.
        missing.sort_by_key(String::len);
        for part in missing.chunks(PART) {
            let values = encode(part)?;
            let keys: Vec<String> = part.iter().map(|t| digest::bytes(t.as_bytes())).collect();
            self.write_part(&keys, &values)?;
            self.read_part()?;
        }
        Ok(Filled {
            distinct: distinct.len(),
            encoded: missing.len(),
        })
    }

    fn part_file(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{:05}.{extension}", self.parts))
    }

    fn write_part(&self, keys: &[String], values: &Array2<f32>) -> Result<()> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        atomic::write(&self.part_file("npy"), |file| {
            use npyz::WriterBuilder;
            let shape = [values.nrows() as u64, values.ncols() as u64];
            let mut npy = npyz::WriteOptions::new()
                .default_dtype()
                .shape(&shape)
                .writer(file)
                .begin_nd()?;
            npy.extend(values.iter())?;
            npy.finish()
        })?;
        atomic::write(&self.part_file("keys"), |file| {
            writeln!(file, "{}", keys.join("\n"))
        })?;
        Ok(())
    }

    fn read_part(&mut self) -> Result<()> {
        let (keys_file, values_file) = (self.part_file("keys"), self.part_file("npy"));
        let keys =
            std::fs::read_to_string(&keys_file).map_err(|e| Error::io("read", &keys_file, e))?;
        let keys: Vec<&str> = keys.lines().collect();
        let bytes = std::fs::read(&values_file).map_err(|e| Error::io("read", &values_file, e))?;
        let damaged = |reason: String| Error::TextCache {
            path: values_file.clone(),
            reason,
        };
        let npy = npyz::NpyFile::new(bytes.as_slice()).map_err(|e| damaged(e.to_string()))?;
        if npy.shape() != [keys.len() as u64, self.hidden as u64] {
            let expected = [keys.len(), self.hidden];
            return Err(damaged(format!(
                "its shape is {:?}, not {expected:?}",
                npy.shape()
            )));
        }
        let values: Vec<f32> = npy.into_vec().map_err(|e| damaged(e.to_string()))?;
        let first = self.values.len() / self.hidden;
        self.values.extend(values);
        self.rows.extend(
            keys.iter()
                .enumerate()
                .map(|(i, key)| ((*key).to_owned(), first + i)),
        );
        self.parts += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    /// A stand-in encoder: the length of a text and a constant.
    fn lengths(texts: &[String]) -> Result<Array2<f32>> {
        Ok(Array2::from_shape_fn((texts.len(), 2), |(i, j)| {
            if j == 0 { texts[i].len() as f32 } else { 0.5 }
        }))
    }

    #[test]
    fn each_distinct_text_is_encoded_once_and_a_second_run_encodes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let asked = texts(&["effusion", "no effusion", "effusion"]);
        let mut cache = TextCache::open(dir.path(), "model-a", 2).unwrap();
        assert_eq!(
            cache.fill(&asked, lengths).unwrap(),
            Filled {
                distinct: 2,
                encoded: 2
            }
        );
        assert_eq!(cache.get("no effusion"), Some([11.0, 0.5].as_slice()));

        let mut again = TextCache::open(dir.path(), "model-a", 2).unwrap();
        let never = |_: &[String]| -> Result<Array2<f32>> { panic!("encoded again") };
        assert_eq!(
            again.fill(&asked, never).unwrap(),
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
    fn another_model_finds_nothing() {
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
    fn a_part_without_keys_does_not_count_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("model-a");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("00000.npy"), b"half a file").unwrap();
        let mut cache = TextCache::open(dir.path(), "model-a", 2).unwrap();
        assert_eq!(cache.fill(&texts(&["x"]), lengths).unwrap().encoded, 1);
        assert_eq!(
            TextCache::open(dir.path(), "model-a", 2).unwrap().get("x"),
            Some([1.0, 0.5].as_slice())
        );
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
        std::fs::write(&part, &bytes[..bytes.len() - 3]).unwrap();
        let message = TextCache::open(dir.path(), "m", 2).unwrap_err().to_string();
        assert!(
            message.contains("00000.npy") && message.contains("remove"),
            "{message}"
        );
    }
}
