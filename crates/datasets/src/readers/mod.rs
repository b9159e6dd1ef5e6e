//! The readers, one module per data set, and [`DataSet`], which chooses one on the command line.

pub mod chexpert;
pub mod manifest;
pub mod mimic;
pub mod nih;
pub mod object_cxr;
pub mod rsna;
pub mod siim;
pub mod vindr;

use std::fmt::Debug;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, Args, Subcommand, ValueEnum};
use mflag_store::{Dataset, Result};

use crate::Reader;
use crate::split::Rule;

/// Defines [`DataSet`], with one subcommand per reader.
macro_rules! data_sets {
    ($($module:ident::$reader:ident),* $(,)?) => {
        /// A data set chosen on the command line: one subcommand per reader. Each has the flags of
        /// its reader, and the flags `A`, which the program adds.
        #[allow(missing_docs, reason = "each reader describes its data set in Reader::TITLE")]
        #[derive(Debug, Subcommand)]
        pub enum DataSet<A: Args + Debug> {
            $($reader(Box<DataSetArgs<$module::$reader, A>>),)*
        }

        impl<A: Args + Debug> DataSet<A> {
            /// Reads the data set.
            ///
            /// # Errors
            /// As [`Reader::read`].
            pub fn read(&self) -> Result<Dataset> {
                match self {
                    $(DataSet::$reader(args) => args.read(),)*
                }
            }

            /// The flags that the program added.
            pub fn added(&self) -> &A {
                match self {
                    $(DataSet::$reader(args) => &args.added,)*
                }
            }
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            /// Without flags, a subcommand reads the data set as the library does by default.
            fn check<R: Reader>() {
                let command = R::Options::augment_args(clap::Command::new("prepare"));
                let matches = command.get_matches_from(["prepare"]);
                let options = <R::Options as clap::FromArgMatches>::from_arg_matches(&matches);
                assert_eq!(options.unwrap(), R::Options::default());
            }

            #[test]
            fn the_defaults_of_flags_and_options_agree() {
                $(check::<$module::$reader>();)*
            }
        }
    };
}

// Every reader has a line here. Its name in kebab case is its subcommand.
data_sets![
    mimic::Mimic,
    chexpert::Chexpert,
    nih::Nih,
    rsna::Rsna,
    siim::Siim,
    object_cxr::ObjectCxr,
    vindr::Vindr,
    manifest::Manifest,
];

/// Arguments of the subcommand of reader `R`.
#[derive(Debug, Args)]
#[command(about = R::TITLE, long_about = None, after_help = R::EXAMPLES)]
#[command(mut_arg("split", offered_rules::<R>), mut_arg("test", hidden_unless_drawn::<R>))]
pub struct DataSetArgs<R: Reader, A: Args> {
    /// Folder of the data set, as downloaded
    #[arg(short, long, value_name = "DIR")]
    pub root: PathBuf,
    /// Options of the reader.
    #[command(flatten)]
    pub options: R::Options,
    /// Flags that the program added.
    #[command(flatten)]
    pub added: A,
}

impl<R: Reader, A: Args> DataSetArgs<R, A> {
    fn read(&self) -> Result<Dataset> {
        R::read(&self.root, &self.options)
    }
}

/// Lets `--split` take only the rules of the data set, and names the default in its help.
fn offered_rules<R: Reader>(split: Arg) -> Arg {
    let rules = R::SPLITS.iter().map(|offer| offer.rule);
    let values = rules.clone().filter_map(|rule| rule.to_possible_value());
    let parser = PossibleValuesParser::new(values).try_map(|name| Rule::from_str(&name, false));
    let default = rules
        .take(1)
        .map(|rule| format!(" [default: {}]", rule.name()));
    let help = split
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    split
        .value_parser(parser)
        .help(help + &default.collect::<String>())
}

/// Hides `--test` from the help if no rule of the data set draws test films.
fn hidden_unless_drawn<R: Reader>(test: Arg) -> Arg {
    test.hide(R::SPLITS.iter().all(|offer| offer.test.is_none()))
}
