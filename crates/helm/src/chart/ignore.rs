//! `.helmignore`: which files of a folder do not belong to the chart.
//!
//! The first rule that matches decides. A rule with `!` ignores everything that it does *not* match, and rules for folders (`x/`)
//! with `!` ignore every file: this is how Helm reads them.

use headwater_golang::filepath::{self, Pattern, Refusal};

use super::Problem;

/// Name of the file with the rules.
pub(super) const FILE: &str = ".helmignore";

/// Longest line of a rules file, in bytes; that of Go's scanner.
const MAX_LINE: usize = 64 * 1024;

/// What matching all paths of a chart with all rules may take, in steps of [`Pattern::matches_within`]. Some seconds; a thousand times what is usual.
const MAX_STEPS: u64 = 1_000_000_000;

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File,
}

/// The rules of a chart, in order.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// Steps that are left.
    steps: u64,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    scope: Scope,
    sense: Sense,
    only: Option<Entry>,
}

/// What a pattern is compared with.
#[derive(Debug, Clone, Copy)]
enum Scope {
    Path,
    Name,
}

/// What a match means.
#[derive(Debug, Clone, Copy)]
enum Sense {
    Ignore,
    Keep,
}

impl Rules {
    /// Reads a rules file and adds the rule that every chart has: no dot files in `templates/`.
    ///
    /// # Errors
    /// A rule with `**`, a malformed pattern, or a line beyond 64 KiB.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Problem> {
        let mut rules = Self { rules: Vec::new(), steps: MAX_STEPS };
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for line in text.split(|b| *b == b'\n') {
            if line.len() >= MAX_LINE {
                return Err(Problem::new("bufio.Scanner: token too long"));
            }
            rules.add(String::from_utf8_lossy(line).trim())?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), Problem> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains("**") {
            return Err(Problem::new("double-star (**) syntax is not supported"));
        }
        match Pattern::new(line.as_bytes()).matches_within(b"abc", &mut self.steps) {
            Err(error @ Refusal::Malformed) => return Err(Problem::new(error.to_string())),
            Err(Refusal::Spent) => return Err(spent()),
            Ok(_) => {}
        }
        let (sense, pattern) = line.strip_prefix('!').map_or((Sense::Ignore, line), |rest| (Sense::Keep, rest));
        let (only, pattern) = pattern.strip_suffix('/').map_or((None, pattern), |rest| (Some(Entry::Folder), rest));
        let scope = if pattern.contains('/') { Scope::Path } else { Scope::Name };
        self.rules.push(Rule { pattern: Pattern::new(pattern.trim_start_matches('/').as_bytes()), scope, sense, only });
        Ok(())
    }

    /// Whether the file or folder at `path`, relative to the chart, is left out.
    ///
    /// # Errors
    /// The rules take too long to answer.
    pub(super) fn ignore(&mut self, path: &str, entry: Entry) -> Result<bool, Problem> {
        for rule in &self.rules {
            let matched = rule.only.is_none_or(|only| only == entry) && rule.matches(path, &mut self.steps)?;
            match rule.sense {
                Sense::Keep if !matched => return Ok(true),
                Sense::Ignore if matched => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }
}

impl Rule {
    fn matches(&self, path: &str, steps: &mut u64) -> Result<bool, Problem> {
        let text = match self.scope {
            Scope::Path => path,
            Scope::Name => filepath::base(path),
        };
        match self.pattern.matches_within(text.as_bytes(), steps) {
            Ok(matched) => Ok(matched),
            // Only where the pattern's beginning matches does its end come to light.
            Err(Refusal::Malformed) => Ok(false),
            Err(Refusal::Spent) => Err(spent()),
        }
    }
}

fn spent() -> Problem {
    Problem::new(format!("{FILE} takes too long to evaluate"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ignored(rules: &str, path: &str, entry: Entry) -> bool {
        Rules::parse(rules.as_bytes()).unwrap().ignore(path, entry).unwrap()
    }

    #[test]
    fn rules_match_as_in_helm() {
        for (rules, path, entry, expected) in [
            ("helm.txt", "helm.txt", Entry::File, true),
            ("helm.*", "a/helm.txt", Entry::File, true),
            ("mast/a.txt", "mast/a.txt", Entry::File, true),
            ("/a.txt", "b/a.txt", Entry::File, false),
            ("/a.txt", "a.txt", Entry::File, true),
            ("cargo/", "cargo", Entry::Folder, true),
            ("cargo/", "cargo", Entry::File, false),
            ("cargo/*", "cargo/a/b", Entry::File, false),
            ("!helm.txt", "helm.txt", Entry::File, false),
            ("!helm.txt", "other", Entry::File, true),
            ("!cargo/", "cargo", Entry::Folder, false),
            ("!cargo/", "cargo", Entry::File, true),
            ("  # no rule\n\n\u{feff}", "x", Entry::File, false),
            ("\u{feff}x\r\n", "x", Entry::File, true),
            ("", "templates/.x", Entry::File, true),
            ("", "templates/sub/.x", Entry::File, false),
            ("", "templates/.", Entry::File, false),
        ] {
            assert_eq!(ignored(rules, path, entry), expected, "{rules:?} {path}");
        }
    }

    #[test]
    fn bad_rules_are_refused() {
        let refused = |text: &[u8]| Rules::parse(text).unwrap_err().to_string();
        assert_eq!(refused(b"a/**/b"), "double-star (**) syntax is not supported");
        assert_eq!(refused(b"x\n[a-"), "syntax error in pattern");
        assert_eq!(refused(&vec![b'a'; MAX_LINE]), "bufio.Scanner: token too long");
    }

    #[test]
    fn rules_that_take_too_long_are_given_up() {
        let mut rules = Rules::parse("*a*a*a*b\n".as_bytes()).unwrap();
        rules.steps = 100;
        assert_eq!(rules.ignore(&"a".repeat(200), Entry::File).unwrap_err().to_string(), ".helmignore takes too long to evaluate");
    }
}
