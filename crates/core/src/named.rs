//! Values that users choose by name.

/// A type with a few values, each with a name for the command line and tables.
pub trait Named: Copy + Send + Sync + 'static {
    /// All values, in the order of the help.
    const ALL: &'static [Self];

    /// The name.
    fn name(self) -> &'static str;

    /// What the value means, in a few words for the help.
    fn meaning(self) -> &'static str;

    /// The value of this name.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.name() == name)
    }
}
