//! Ranges: alternatives (`||`) of comparisons that must all hold.

use crate::error::{ALTERNATIVES, Error, RANGE_LENGTH};
use crate::version::{Version, compare_pre};

/// A range of versions, such as `>=1.2.0 <2.0.0`, `~1.4`, `^2`, `1.x || 3.x` or `1.2 - 1.4.5`.
///
/// A pre-release matches only in an alternative of which a comparison itself names a pre-release.
#[derive(Debug, Clone)]
pub struct Range {
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone)]
struct Alternative {
    comparisons: Vec<Comparison>,
    prereleases: Prereleases,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prereleases {
    Allowed,
    Refused,
}

#[derive(Debug, Clone)]
struct Comparison {
    operator: Operator,
    version: Version,
    written: Written,
}

/// The part of a comparison's version that is written out; the rest is a wildcard or left away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Major,
    Minor,
    Patch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Spellings of the operators; where one begins another, the longer comes first.
const OPERATORS: [(&str, Operator); 12] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Equal),
];

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// [`Error::Improper`] with the segment that is no list of comparisons, [`Error::Operand`] where its version is none,
    /// [`Error::RangeTooLong`], [`Error::TooManyAlternatives`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > RANGE_LENGTH {
            return Err(Error::RangeTooLong);
        }
        let text = rewrite_hyphens(text);
        if text.split("||").count() > ALTERNATIVES {
            return Err(Error::TooManyAlternatives);
        }
        let alternatives = text.split("||").map(Alternative::parse).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// True if `version` lies in the range.
    pub fn matches(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|alternative| {
            (alternative.prereleases == Prereleases::Allowed || !version.is_prerelease())
                && alternative.comparisons.iter().all(|comparison| comparison.holds(version))
        })
    }
}

impl Alternative {
    fn parse(segment: &str) -> Result<Self, Error> {
        let improper = || Error::Improper(segment.to_owned());
        let mut comparisons = Vec::new();
        let mut rest = segment;
        loop {
            let (comparison, after) = Comparison::parse(skip_space(rest), &improper)?;
            comparisons.push(comparison);
            rest = skip_space(after);
            if rest.is_empty() {
                break;
            }
            match rest.strip_prefix(',') {
                Some(after_comma) => rest = after_comma,
                None if rest.len() < after.len() => {}
                None => return Err(improper()),
            }
        }
        let any = comparisons.iter().any(|c| c.version.is_prerelease());
        let prereleases = if any { Prereleases::Allowed } else { Prereleases::Refused };
        Ok(Self { comparisons, prereleases })
    }
}

impl Comparison {
    /// Reads one comparison and returns it with the text after it.
    fn parse<'a>(text: &'a str, improper: &impl Fn() -> Error) -> Result<(Self, &'a str), Error> {
        let (operator, rest) =
            OPERATORS.iter().find_map(|(spelling, operator)| Some((*operator, text.strip_prefix(spelling)?))).ok_or_else(improper)?;
        let (operand, rest) = Operand::scan(skip_space(rest)).ok_or_else(improper)?;
        let Operand { major, minor, patch, pre, .. } = operand;
        let wild = |part: Option<&str>| part.is_none_or(|p| matches!(p, "x" | "X" | "*"));
        let (written, version) = if wild(Some(major)) {
            (Written::Nothing, format!("0.0.0{pre}"))
        } else if wild(minor) {
            (Written::Major, format!("{major}.0.0{pre}"))
        } else if wild(patch) {
            (Written::Minor, format!("{major}.{}.0{pre}", minor.unwrap_or_default()))
        } else {
            (Written::Patch, operand.all.to_owned())
        };
        let version = Version::parse(&version).map_err(|_| Error::Operand)?;
        Ok((Self { operator, version, written }, rest))
    }

    fn holds(&self, v: &Version) -> bool {
        let bound = &self.version;
        match self.operator {
            Operator::Equal if self.written == Written::Patch => v == bound,
            Operator::Equal | Operator::Tilde => self.tilde(v),
            Operator::NotEqual => self.not_equal(v),
            Operator::Greater => match self.written {
                Written::Nothing | Written::Patch => v > bound,
                Written::Major => v.major > bound.major,
                Written::Minor => (v.major, v.minor) > (bound.major, bound.minor),
            },
            Operator::Less => v < bound,
            Operator::GreaterEqual => v >= bound,
            Operator::LessEqual => match self.written {
                Written::Patch => v <= bound,
                Written::Major => v.major <= bound.major,
                Written::Nothing | Written::Minor => (v.major, v.minor) <= (bound.major, bound.minor),
            },
            Operator::Caret => self.caret(v),
        }
    }

    fn not_equal(&self, v: &Version) -> bool {
        let bound = &self.version;
        match self.written {
            Written::Nothing | Written::Patch => v != bound,
            Written::Major => v.major != bound.major,
            Written::Minor if (v.major, v.minor) != (bound.major, bound.minor) => true,
            // Only the pre-releases are compared then, an absent one being an empty identifier.
            Written::Minor => {
                let (a, b) = (v.pre.as_str(), bound.pre.as_str());
                a.is_empty() != b.is_empty() || (!a.is_empty() && compare_pre(a, b).is_ne())
            }
        }
    }

    fn tilde(&self, v: &Version) -> bool {
        let bound = &self.version;
        if v < bound {
            return false;
        }
        let zero = (bound.major, bound.minor, bound.patch) == (0, 0, 0);
        match self.written {
            Written::Nothing | Written::Patch if zero => true,
            Written::Major => v.major == bound.major,
            _ => (v.major, v.minor) == (bound.major, bound.minor),
        }
    }

    fn caret(&self, v: &Version) -> bool {
        let bound = &self.version;
        if v < bound {
            return false;
        }
        if bound.major > 0 || self.written == Written::Major {
            return v.major == bound.major;
        }
        if v.major > 0 {
            return false;
        }
        if bound.minor > 0 || self.written == Written::Minor {
            return v.minor == bound.minor;
        }
        v.minor == 0 && v.patch == bound.patch
    }
}

/// A version in a range as it is written, wildcards and all.
#[derive(Clone, Copy)]
struct Operand<'a> {
    all: &'a str,
    major: &'a str,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
    /// With its hyphen; empty when there is none.
    pre: &'a str,
}

impl<'a> Operand<'a> {
    /// Takes the longest operand at the start of `text` and returns it with what follows.
    fn scan(text: &'a str) -> Option<(Self, &'a str)> {
        let number = |t: &'a str| {
            let length = t.bytes().take_while(|b| b.is_ascii_digit() || b"xX*|".contains(b)).count();
            (length > 0).then(|| t.split_at(length))
        };
        let dotted = |t: &'a str| t.strip_prefix('.').and_then(number).map_or((None, t), |(n, rest)| (Some(n), rest));
        let (major, rest) = number(text.strip_prefix('v').unwrap_or(text))?;
        let (minor, rest) = dotted(rest);
        let (patch, rest) = dotted(rest);
        let (pre, rest) = suffix(rest, '-');
        let (_, rest) = suffix(rest, '+');
        Some((Self { all: &text[..text.len() - rest.len()], major, minor, patch, pre }, rest))
    }
}

/// Splits off `mark` and the dot-separated identifiers after it, if `text` begins so.
fn suffix(text: &str, mark: char) -> (&str, &str) {
    let identifier = |t: &str| t.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
    if !text.starts_with(mark) {
        return ("", text);
    }
    let mut end = 1 + identifier(&text[1..]);
    if end == 1 {
        return ("", text);
    }
    while text[end..].starts_with('.') {
        match identifier(&text[end + 1..]) {
            0 => break,
            more => end += 1 + more,
        }
    }
    text.split_at(end)
}

/// Rewrites every `A - B` into the two comparisons that it stands for.
fn rewrite_hyphens(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((from, to, after)) = hyphen_range(rest) {
            out.extend([">= ", from, ", <= ", to, " "]);
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn hyphen_range(text: &str) -> Option<(&str, &str, &str)> {
    let (from, rest) = Operand::scan(skip_space(text))?;
    let spaced = |t: &'_ str| -> Option<usize> {
        let length = t.len() - skip_space(t).len();
        (length > 0).then_some(length)
    };
    let rest = rest[spaced(rest)?..].strip_prefix('-')?;
    let (to, rest) = Operand::scan(&rest[spaced(rest)?..])?;
    Some((from.all, to.all, skip_space(rest)))
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r', '\x0c'])
}
