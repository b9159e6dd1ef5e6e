//! PyTorch's zip form: `<root>/data.pkl` describes the tensors, `<root>/data/<key>` holds a
//! storage.

use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::pickle::Pickle;
use super::{Parsed, Tensors, state_dict, tensor_from_bytes};

struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The folder of all entries, with its slash.
    root: String,
    /// How many more bytes may be read. All entries together are no longer than the file, unless
    /// a hostile file lets them overlap.
    budget: u64,
}

pub(super) fn read(bytes: &[u8]) -> Parsed<Tensors> {
    let mut archive = Archive::open(bytes)?;
    let program = archive.entry("data.pkl")?;
    let pickle = Pickle::parse(&program).map_err(|e| archive.explain(e))?;
    let views = state_dict::named_views(&pickle).map_err(|e| archive.explain(e))?;
    state_dict::build(views, |storage| {
        let mut data = archive.entry(&format!("data/{}", storage.key))?;
        // PyTorch may pad an entry at its end.
        data.truncate(storage.bytes()?);
        tensor_from_bytes(&data, &[storage.length], storage.kind)
    })
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Parsed<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| {
            format!("is a damaged or incomplete PyTorch zip file ({e}); download it again")
        })?;
        let root = zip
            .file_names()
            .filter_map(|name| name.strip_suffix("data.pkl"))
            .filter(|root| root.is_empty() || root.ends_with('/'))
            .min_by_key(|root| root.len())
            .ok_or(
                "is a zip file without `data.pkl`, so not a PyTorch file; \
                 if the file is an archive of one, unpack it",
            )?
            .to_owned();
        let mut archive = Archive {
            zip,
            root,
            budget: bytes.len() as u64,
        };
        if archive.has("byteorder") && archive.entry("byteorder")? != b"little" {
            return Err("was saved on a big-endian machine, which is not supported".to_owned());
        }
        Ok(archive)
    }

    fn has(&self, name: &str) -> bool {
        let name = format!("{}{name}", self.root);
        self.zip.index_for_name(&name).is_some()
    }

    /// Reads an entry and verifies its checksum.
    fn entry(&mut self, name: &str) -> Parsed<Vec<u8>> {
        let damaged = |e: &dyn std::fmt::Display| {
            format!("is damaged at its entry `{name}` ({e}); download it again")
        };
        let file = self
            .zip
            .by_name(&format!("{}{name}", self.root))
            .map_err(|e| damaged(&e))?;
        if file.compression() != CompressionMethod::Stored {
            return Err(format!(
                "has a compressed entry `{name}`, which PyTorch never writes; \
                 save it again with torch.save"
            ));
        }
        let size = file.size();
        self.budget = self
            .budget
            .checked_sub(size)
            .ok_or_else(|| damaged(&"longer than the file"))?;
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| damaged(&e))?;
        Ok(bytes)
    }

    /// Replaces `reason` where the archive is a TorchScript program, which has the same layout.
    fn explain(&self, reason: String) -> String {
        if self.has("constants.pkl") {
            "is a TorchScript program; in Python, save `torch.jit.load(file).state_dict()` instead"
                .to_owned()
        } else {
            reason
        }
    }
}
