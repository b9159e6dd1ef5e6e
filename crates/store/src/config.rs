//! The configuration keys of films, shared by pre-training and the heads.

use std::path::{Path, PathBuf};

use mflag_film::ViewGeometry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::augment::Augment;
use crate::loader::Options;
use crate::{Error, Result, Seen, Store};

/// Which store to read, and how to load its films.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilmsConfig {
    /// Prepared store (`mflag-data prepare`).
    pub store: PathBuf,
    /// Side of the view that the encoder sees, in pixels; at most the store's. The view is the
    /// whole film unless `data.resize` is larger.
    #[schemars(range(min = 32, max = 2048))]
    pub side: u32,
    /// Cut the view out of a larger square: the stored square is resized to this side, and
    /// `data.side` pixels of it are the view (torchvision's Resize, then CenterCrop, or RandomCrop
    /// with `augment.crop`). `store` is the store's own side. If absent, `data.side`: nothing is
    /// cut off.
    pub resize: Option<Resize>,
    /// Threads that load and augment films; 0: a quarter of the cores.
    #[schemars(range(min = 0, max = 256))]
    pub num_workers: usize,
    /// Number of batches to load in advance.
    #[schemars(range(min = 1, max = 64))]
    pub prefetch: usize,
}

/// The side of the square from which views are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Resize {
    /// In pixels.
    Pixels(#[schemars(range(min = 32, max = 2048))] u32),
    /// A word that stands for a side.
    Word(ResizeWord),
}

/// A side that is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResizeWord {
    /// The store's own side: the view is cut out of the stored square, which is not resized.
    Store,
}

impl Default for FilmsConfig {
    fn default() -> Self {
        FilmsConfig {
            store: PathBuf::from("data/store"),
            side: 224,
            resize: None,
            num_workers: 0,
            prefetch: 4,
        }
    }
}

impl FilmsConfig {
    /// Checks rules between `side`, `resize` and the augmentation. Returns an error message per
    /// broken rule.
    pub fn check(&self, augment: &Augment) -> Vec<String> {
        let side = self.side;
        match self.resize {
            Some(Resize::Pixels(resize)) if resize < side => vec![format!(
                "data.resize: {resize} is less than data.side ({side}), so a view cannot be cut \
                 out of it; raise data.resize, or leave it out to see the whole film"
            )],
            None | Some(Resize::Pixels(_)) if augment.crop && self.resize_to(side) == side => {
                vec![format!(
                    "augment.crop: true needs a data.resize above data.side ({side}), or nothing \
                     is cut off; set data.resize=store to cut views out of the stored square"
                )]
            }
            _ => Vec::new(),
        }
    }

    /// How the squares of `store` become views.
    ///
    /// # Errors
    /// If the views or the resized squares are larger than the store's films.
    pub fn view_geometry(&self, store: &Store) -> Result<ViewGeometry> {
        let refused = |reason| Error::file(store.folder() as &Path, reason);
        self.view_of(store.side()).map_err(refused)
    }

    /// How squares of `stored` pixels a side become views.
    ///
    /// # Errors
    /// As [`FilmsConfig::view_geometry`]; only the reason, without the store's name.
    pub fn view_of(&self, stored: u32) -> std::result::Result<ViewGeometry, String> {
        let (resize, side) = (self.resize_to(stored), self.side);
        if side > stored {
            return Err(format!(
                "views of {side} px are larger than the store's films of {stored} px: prepare \
                 larger films or lower data.side"
            ));
        }
        if resize > stored {
            return Err(format!(
                "squares of {resize} px (data.resize) are larger than the store's films of \
                 {stored} px: prepare larger films or lower data.resize"
            ));
        }
        ViewGeometry::new(stored, resize, side)
    }

    /// How much a network sees of `films`, which are indices into `store`, if training films are
    /// augmented by `augment`.
    ///
    /// # Errors
    /// As [`FilmsConfig::view_geometry`].
    pub fn seen(&self, store: &Store, films: &[usize], augment: &Augment) -> Result<Seen> {
        Seen::new(store, films, self.view_geometry(store)?, augment.crop)
    }

    /// The options of a loader for batches of `batch_size` views. With `full_only`, the last,
    /// smaller batch of an epoch is left out.
    pub fn loader_options(
        &self,
        view: ViewGeometry,
        batch_size: usize,
        full_only: bool,
    ) -> Options {
        Options {
            view,
            batch_size,
            full_only,
            threads: self.num_workers,
            prefetch: self.prefetch,
        }
    }

    /// The side of the resized square, for a store of films of `stored` pixels.
    fn resize_to(&self, stored: u32) -> u32 {
        match self.resize {
            None => self.side,
            Some(Resize::Pixels(resize)) => resize,
            Some(Resize::Word(ResizeWord::Store)) => stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_needs_a_larger_square() {
        let check = |resize, crop| {
            let films = FilmsConfig {
                side: 224,
                resize,
                ..FilmsConfig::default()
            };
            let augment = Augment {
                crop,
                ..Augment::default()
            };
            films.check(&augment).join("")
        };
        let store = Some(Resize::Word(ResizeWord::Store));
        for (resize, crop) in [
            (None, false),
            (Some(Resize::Pixels(224)), false),
            (Some(Resize::Pixels(256)), false),
            (Some(Resize::Pixels(256)), true),
            (store, false),
            (store, true),
        ] {
            assert_eq!(check(resize, crop), "", "{resize:?} {crop}");
        }
        for resize in [None, Some(Resize::Pixels(224))] {
            let said = check(resize, true);
            assert!(said.contains("data.resize=store"), "{said}");
        }
        let said = check(Some(Resize::Pixels(200)), true);
        assert!(said.starts_with("data.resize: 200 is less than"), "{said}");
    }

    impl mflag_core::config::Config for FilmsConfig {}

    #[test]
    fn wrong_sides_are_refused_in_words() {
        let refusal = |set: &str| {
            let loaded = mflag_core::config::load::<FilmsConfig>(None, &[set.to_owned()]);
            loaded.unwrap_err().to_string()
        };
        let said = refusal("resize=20");
        assert!(
            said.contains("resize: 20 is too small; the minimum is 32"),
            "{said}"
        );
        let said = refusal("resize=stroe");
        let expected = "resize: 'stroe' is not one of a number, store (did you mean 'store'?)";
        assert!(said.contains(expected), "{said}");
        let said = refusal("resize=224.5");
        assert!(said.contains("expected integer, found 224.5"), "{said}");
        for set in ["resize=256", "resize=store", "resize=null"] {
            mflag_core::config::load::<FilmsConfig>(None, &[set.to_owned()]).unwrap();
        }
    }

    #[test]
    fn a_side_is_a_number_a_word_or_absent() {
        let read = |text| serde_json::from_str::<FilmsConfig>(text).map(|films| films.resize);
        assert_eq!(read("{}").unwrap(), None);
        assert_eq!(read(r#"{"resize": null}"#).unwrap(), None);
        let number = read(r#"{"resize": 256}"#).unwrap();
        assert_eq!(number, Some(Resize::Pixels(256)));
        let word = read(r#"{"resize": "store"}"#).unwrap();
        assert_eq!(word, Some(Resize::Word(ResizeWord::Store)));
        assert!(read(r#"{"resize": "stores"}"#).is_err());
    }
}
