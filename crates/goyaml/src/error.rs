//! What can go wrong.

use std::io;
use std::sync::Arc;

#[cfg(doc)]
use super::Limits;

/// Why a text could not be read, or a value not be written. The wording is upstream's, where upstream refuses it too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no YAML, or means nothing in YAML.
    #[error("error converting YAML to JSON: yaml: {0}")]
    Syntax(String),
    /// The stream cannot be read.
    #[error("error converting YAML to JSON: yaml: input error: {0}")]
    Input(#[source] InputError),
    /// Something that YAML has, but JSON has not.
    #[error("error converting YAML to JSON: {0}")]
    NoJson(String),
    /// A document of values that is no map.
    #[error("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {0} into Go value of type map[string]interface {{}}")]
    NoMap(&'static str),
    /// More than space and a comment behind `---`.
    #[error("invalid Yaml document separator: {0}")]
    Separator(String),
    /// A value that cannot be written.
    #[error("yaml: {0}")]
    Print(&'static str),
    /// The text is larger than [`Limits::bytes`].
    #[error("document is larger than {0} bytes")]
    TooLarge(usize),
    /// The text is nested deeper than [`Limits::depth`].
    #[error("document is nested deeper than {0} levels")]
    TooDeep(usize),
    /// The text has more values than [`Limits::nodes`].
    #[error("document has more than {0} values")]
    TooMany(usize),
}

/// An error of the stream that is read. Two are equal if they are of the same kind.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct InputError(Arc<io::Error>);

impl InputError {
    /// The kind of the error.
    pub fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }
}

impl PartialEq for InputError {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind()
    }
}

impl Eq for InputError {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Input(InputError(Arc::new(error)))
    }
}
