//! One rule.

use bstr::{BStr, BString, ByteSlice};
use headwater_golang::filepath;

/// What a rule says about a path that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    In,
    Out,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The directory the rule speaks of: it sees only what is below.
    domain: Vec<BString>,
    verdict: Verdict,
    /// Ends in a slash: the last part matched must be a directory.
    only_directories: bool,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    /// No slash: any part of the path may match.
    Name(filepath::Pattern),
    /// Matches from the domain on, and all that is below.
    Path(Vec<Step>),
}

#[derive(Clone, Debug)]
enum Step {
    /// `**`: any number of parts.
    Any,
    /// Nothing between two slashes; cancels a `**` before it.
    Nothing,
    One(filepath::Pattern),
}

impl Pattern {
    /// None for a rule that can match nothing.
    pub(super) fn compile(line: &BStr, domain: &[&BStr]) -> Option<Self> {
        let (verdict, line) = match line.strip_prefix(b"!") {
            Some(rest) => (Verdict::In, rest),
            None => (Verdict::Out, line.as_bytes()),
        };
        let line = if line.ends_with(b"\\ ") { line } else { line.trim_end_with(|c| c == ' ') };
        let (only_directories, line) = match line.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let shape = if line.contains(&b'/') {
            Shape::Path(line.split_str("/").map(step).collect::<Option<_>>()?)
        } else {
            Shape::Name(glob(line)?)
        };
        let domain = domain.iter().map(|part| (*part).to_owned()).collect();
        Some(Self { domain, verdict, only_directories, shape })
    }

    /// What the rule says about a path, if it matches.
    pub(super) fn judge(&self, path: &[&BStr], is_dir: bool) -> Option<Verdict> {
        let (above, below) = path.split_at_checked(self.domain.len())?;
        if below.is_empty() || above.iter().zip(&self.domain).any(|(a, b)| *a != b.as_bstr()) {
            return None;
        }
        let is_file = !is_dir;
        let left = match &self.shape {
            Shape::Name(glob) => {
                let at = below.iter().position(|part| glob.matches(part))?;
                below.len() - at - 1
            }
            Shape::Path(steps) => walk(steps, below)?,
        };
        (!(self.only_directories && is_file && left == 0)).then_some(self.verdict)
    }
}

/// None for a pattern that is malformed, and so matches nothing.
fn glob(pattern: &[u8]) -> Option<filepath::Pattern> {
    Some(filepath::Pattern::new(pattern)).filter(|pattern| !pattern.is_malformed())
}

fn step(part: &[u8]) -> Option<Step> {
    match part {
        b"" => Some(Step::Nothing),
        b"**" => Some(Step::Any),
        _ if part.contains_str("**") => None,
        _ => glob(part).map(Step::One),
    }
}

/// Follows the steps from the start of the path; how many parts are left over if they match.
fn walk(steps: &[Step], path: &[&BStr]) -> Option<usize> {
    let mut rest = path;
    let mut any = false;
    let mut matched = false;
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Nothing => any = false,
            Step::Any if at + 1 == steps.len() => break,
            Step::Any => any = true,
            Step::One(glob) => {
                let skipped = if any { rest.iter().position(|part| glob.matches(part))? } else { 0 };
                let found = rest.get(skipped)?;
                if !glob.matches(found) {
                    return None;
                }
                rest = &rest[skipped + 1..];
                any = false;
                matched = true;
            }
        }
    }
    matched.then_some(rest.len())
}
