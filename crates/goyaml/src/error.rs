//! What can go wrong.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

#[cfg(doc)]
use super::Limits;

/// Why a text could not be read, or a value not be written. The wording is upstream's, where upstream refuses it too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no YAML, or means nothing in YAML.
    #[error("error converting YAML to JSON: yaml: {0}")]
    Syntax(Problem),
    /// Keys that are in their map already. Only a strict reading refuses them.
    #[error("error converting YAML to JSON: yaml: unmarshal errors:{}", Indented(.0))]
    Repeated(Vec<Problem>),
    /// The stream cannot be read.
    #[error("error converting YAML to JSON: yaml: input error: {0}")]
    Input(#[source] InputError),
    /// Something that YAML has, but JSON has not.
    #[error("error converting YAML to JSON: {0}")]
    NoJson(Problem),
    /// A document of values that is no map.
    #[error("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {0} into Go value of type map[string]interface {{}}")]
    NoMap(&'static str),
    /// More than space and a comment behind `---`.
    #[error("invalid Yaml document separator: {0}")]
    Separator(Problem),
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

impl Error {
    /// The line where the text is wrong, from 1; none if it is wrong as a whole.
    pub fn line(&self) -> Option<usize> {
        self.problem().and_then(|problem| problem.line)
    }

    /// What is wrong, without the line and without any value of the text, which may be a secret. Names of keys and anchors may be told.
    pub fn outline(&self) -> String {
        match self.problem() {
            Some(problem) => problem.outline.as_deref().unwrap_or(&problem.message).to_owned(),
            None => self.to_string(),
        }
    }

    fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Syntax(problem) | Self::NoJson(problem) | Self::Separator(problem) => Some(problem),
            Self::Repeated(problems) => problems.first(),
            _ => None,
        }
    }
}

/// What is wrong with a text, in upstream's words, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: String,
    /// The same without values of the text, where the message has some.
    outline: Option<Cow<'static, str>>,
    /// The line from 1.
    line: Option<usize>,
    /// The line that upstream names, which is not always the right one.
    named: Option<usize>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), outline: None, line: None, named: None }
    }

    /// A scalar that does not fit its tag, in the words of [`super::resolve_tagged`], which hold its text.
    pub(super) fn of_tag(message: String) -> Self {
        Self::new(message).outlined("a value is not of the type of its tag")
    }

    /// The same in a line, from 0.
    pub(super) fn in_line(self, line: usize) -> Self {
        Self { line: Some(line + 1), ..self }
    }

    /// The same with the line that upstream names.
    pub(super) fn naming(self, line: usize) -> Self {
        Self { named: Some(line), ..self }
    }

    /// The same with words for those who may not see values of the text.
    pub(super) fn outlined(self, outline: impl Into<Cow<'static, str>>) -> Self {
        Self { outline: Some(outline.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.named {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Problems, each in a line of its own.
struct Indented<'p>(&'p [Problem]);

impl fmt::Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
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
