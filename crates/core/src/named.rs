//! Enums whose values users choose by name.

/// An enum whose values have names, for the command line and tables.
pub trait Named: Copy + Send + Sync + 'static {
    /// All values, in the order of the help.
    const ALL: &'static [Self];

    /// The name.
    fn name(self) -> &'static str;

    /// The meaning of the value, for the help.
    fn meaning(self) -> &'static str;

    /// The value of this name.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.name() == name)
    }
}
