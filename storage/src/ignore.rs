//! Which files stay out of an archive.
//!
//! The rules are written as in a `.gitignore`, with the reading that Flux gives them. It differs
//! from Git's: a directory that is left out does not take its contents out of reach of a later `!`
//! rule, a rule without a slash matches any part of a path, `a/**` matches `a` itself, and `**`
//! within a longer name makes a rule with slashes match nothing.

mod defaults;
mod pattern;

use std::io;

use bstr::{BStr, BString, ByteSlice};
use pattern::{Pattern, Verdict};

use crate::{Entry, Mode, Reader};

/// Compiled ignore rules.
///
/// Version control files are always left out, unless a rule takes them back. When neither a
/// `.sourceignore` file nor the object gives a rule, pictures, films, archives and the
/// configuration of CI systems are left out too.
#[derive(Clone, Debug)]
pub struct Ignore {
    /// Weakest first.
    patterns: Vec<Pattern>,
}

impl Ignore {
    /// Compiles the rules of `.sourceignore` files, given by directory (empty for the root) in any
    /// order, and the object's own, which win over all of them.
    ///
    /// A line that cannot match anything, such as one with an open bracket, is no error. A file is
    /// read up to its first line of 64 KiB or more.
    pub fn new(sourceignore_files: &[(BString, Vec<u8>)], spec: Option<&str>) -> Self {
        let mut files: Vec<(Vec<&BStr>, &[u8])> = sourceignore_files
            .iter()
            .map(|(dir, text)| (parts(dir.as_bstr()).collect(), text.as_slice()))
            .filter(|(domain, _): &(Vec<&BStr>, _)| !domain.contains(&BStr::new(".git")))
            .collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files.extend(spec.map(|text| (Vec::new(), text.as_bytes())));

        let given: Vec<(&[&BStr], &[u8])> =
            files.iter().flat_map(|(domain, text)| lines(text).map(|line| (domain.as_slice(), line))).collect();
        let extra = if given.is_empty() { defaults::UNLESS_GIVEN } else { &[] };
        let defaults = defaults::ALWAYS.iter().chain(extra).map(|line| (&[][..], line.as_bytes()));
        let patterns = defaults.chain(given).filter_map(|(domain, line)| Pattern::compile(line.as_bstr(), domain)).collect();
        Self { patterns }
    }

    /// Whether the file or directory at `path` (relative to the root) is left out. Each path is
    /// judged on its own: what lies in a directory that is left out may still be in. The root
    /// itself (`.` or empty) is never left out.
    pub fn is_ignored(&self, path: &BStr, is_dir: bool) -> bool {
        let path: Vec<&BStr> = parts(path).collect();
        let verdict = self.patterns.iter().rev().find_map(|pattern| pattern.judge(&path, is_dir));
        verdict == Some(Verdict::Out)
    }
}

/// The parts of a path; none for the root.
fn parts(path: &BStr) -> impl Iterator<Item = &BStr> {
    path.split_str("/").filter(|part| !matches!(*part, b"" | b".")).map(ByteSlice::as_bstr)
}

/// The lines of an ignore file that are rules.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    const LONGEST: usize = 64 * 1024;
    text.split(|byte| *byte == b'\n')
        .take_while(|line| line.len() < LONGEST)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.starts_with(b"#") && !line.trim().is_empty())
}

/// The file whose rules say what stays out of an artifact.
const SOURCEIGNORE: &[u8] = b".sourceignore";

/// The `.sourceignore` files among `entries`, read by `reader`, each with its directory (empty for the root).
///
/// # Errors
/// When one cannot be read.
pub fn sourceignore<'a>(entries: impl IntoIterator<Item = &'a Entry>, mut reader: Reader<'_>) -> io::Result<Vec<(BString, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in entries {
        let (directory, name) = entry.path.rsplit_once_str("/").unwrap_or((b"", entry.path.as_slice()));
        if name == SOURCEIGNORE && matches!(entry.mode, Mode::File | Mode::Executable) {
            let mut text = Vec::new();
            reader(entry, &mut text)?;
            files.push((directory.into(), text));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
