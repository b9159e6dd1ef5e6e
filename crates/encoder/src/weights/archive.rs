//! PyTorch's zip form: `<archive>/data.pkl` names the tensors, `<archive>/data/<key>` holds each storage.

use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::pickle::Pickle;
use super::{Parsed, Tensors, from_bytes, state};

struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The archive's folder within the zip, with its slash.
    root: String,
    /// Bytes that may still be taken out. Together the storages cannot be longer than the file, except if entries overlap.
    budget: u64,
}

pub(super) fn read(bytes: &[u8]) -> Parsed<Tensors> {
    let mut archive = Archive::open(bytes)?;
    let program = archive.entry("data.pkl")?;
    let pickle = Pickle::parse(&program).map_err(|e| archive.explain(e))?;
    let views = state::named_views(&pickle).map_err(|e| archive.explain(e))?;
    state::build(views, |storage| {
        let mut data = archive.entry(&format!("data/{}", storage.key))?;
        // A record may be padded at its end.
        data.truncate(storage.bytes()?);
        from_bytes(&data, &[storage.length], storage.kind)
    })
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Parsed<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|e| format!("damaged or incomplete PyTorch zip file ({e}); fetch it again"))?;
        let root = zip
            .file_names()
            .filter_map(|name| name.strip_suffix("data.pkl"))
            .filter(|root| root.is_empty() || root.ends_with('/'))
            .min_by_key(|root| root.len())
            .ok_or("is a zip file without `data.pkl`, so not one of PyTorch's; unpack it first?")?
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

    /// The content of one entry, its checksum verified.
    fn entry(&mut self, name: &str) -> Parsed<Vec<u8>> {
        let damaged =
            |e: &dyn std::fmt::Display| format!("damaged at `{name}` ({e}); fetch it again");
        let file = self
            .zip
            .by_name(&format!("{}{name}", self.root))
            .map_err(|e| damaged(&e))?;
        if file.compression() != CompressionMethod::Stored {
            return Err(format!(
                "`{name}` is compressed, which PyTorch never does; save it again by torch.save"
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

    /// TorchScript files look like state dictionaries from outside.
    fn explain(&self, reason: String) -> String {
        if self.has("constants.pkl") {
            "is a TorchScript program; in Python, save `torch.jit.load(file).state_dict()` instead"
                .to_owned()
        } else {
            reason
        }
    }
}
