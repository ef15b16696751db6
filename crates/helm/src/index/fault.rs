//! What is wrong with YAML.

use std::io;

use libyaml_safer::ErrorKind;

use super::Error;

/// Whether the parser could not read on, or its complaint in the manner of Go's port of the same parser.
pub(super) fn syntax(error: libyaml_safer::Error) -> Error {
    let line = error.problem_mark().map_or(0, |mark| mark.line);
    // That port counts lines from 1 for the scanner and from 0 for the parser, and leaves out a 0.
    let line = if line > 0 && error.kind() == ErrorKind::Scanner { line.saturating_add(1) } else { line };
    let problem = error.problem();
    match io::Error::try_from(error) {
        Ok(error) if error.kind() != io::ErrorKind::UnexpectedEof => Error::Io(error),
        Ok(_) => Error::yaml("incomplete UTF-8 octet sequence"),
        Err(_) if line == 0 => Error::yaml(problem),
        Err(_) => Error::yaml(&format!("line {line}: {problem}")),
    }
}
