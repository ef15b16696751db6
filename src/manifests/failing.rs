//! What does not work, in words, and what must stay because of it. Pure.

use std::{collections::BTreeMap, path::Path};

use super::{
    order::{Place, Plan},
    read::Scan,
};

/// Something that does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What, for people.
    pub who: String,
    /// Where it is written, for the order in which to tell; line 0 is all of it.
    pub place: Place,
    /// All of it in a line.
    pub line: String,
}

/// All that does not work, each by what it is.
pub type Failures = BTreeMap<String, Failure>;

impl Failure {
    /// A failure of what is written there.
    pub fn new(place: Place, who: String, reason: &str) -> Self {
        Self { line: format!("{place}: {who}: {reason}"), who, place }
    }

    /// A failure of something else, or of a whole file.
    pub fn general(path: &Path, who: String, reason: &str) -> Self {
        Self { line: format!("{who}: {reason}"), who, place: Place { file: path.to_owned(), line: 0 } }
    }
}

/// Adds what of the folder cannot be used.
pub fn unusable(scan: &Scan, plan: &Plan, failures: &mut Failures) {
    for (path, reason) in &scan.unread {
        let who = path.display().to_string();
        failures.insert(who.clone(), Failure::general(path, who, reason));
    }
    for (path, fault) in scan.files.iter().filter_map(|(path, file)| Some((path, file.fault.as_ref()?))) {
        let who = path.display().to_string();
        let place = Place { file: path.clone(), line: fault.line };
        failures.entry(who.clone()).or_insert_with(|| Failure { line: format!("{place}: {}", fault.reason), who, place });
    }
    for (key, again, first) in &plan.again {
        let line = format!("{again}: {key} is in {first} already, which counts");
        failures.insert(format!("again {again}"), Failure { who: format!("{again}: {key}"), line, place: again.clone() });
    }
}

/// What is known of where an object came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This process has seen it in a file.
    Seen,
    /// It was applied before this process started.
    Unknown,
}

/// Whether an object that no file holds is in none: one that cannot be read might. Before this process has seen it in one,
/// any file that cannot be used may be the one that it was in.
pub fn certain(scan: &Scan, origin: Origin, name: &str) -> bool {
    let mut faulty = scan.files.values().filter(|file| file.fault.is_some()).peekable();
    scan.unread.is_empty() && (faulty.peek().is_none() || (origin == Origin::Seen && faulty.all(|file| !file.text.contains(name))))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::manifests::{order, read::Manifest};

    fn scan(files: &[(&str, &str)]) -> Scan {
        Scan { files: files.iter().map(|(path, text)| (PathBuf::from(path), Manifest::holding(text))).collect(), ..Scan::default() }
    }

    const MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";

    #[test]
    fn an_object_that_may_be_in_a_file_that_cannot_be_read_stays() {
        let good = scan(&[("a.yaml", MAP)]);
        assert!(certain(&good, Origin::Seen, "x") && certain(&good, Origin::Unknown, "x"));
        let broken = scan(&[("a.yaml", "{broken: gone")]);
        assert!(certain(&broken, Origin::Seen, "x"), "it was seen elsewhere, and is not written here");
        assert!(!certain(&broken, Origin::Seen, "gone"), "it may have been moved to here");
        assert!(!certain(&broken, Origin::Unknown, "x"), "before a restart it may have been here");
        let unread = Scan { unread: BTreeMap::from([(PathBuf::from("sub"), "Permission denied".to_owned())]), ..Scan::default() };
        assert!(!certain(&unread, Origin::Seen, "x") && !certain(&unread, Origin::Unknown, "x"));
    }

    #[test]
    fn each_failure_is_a_line_that_says_where() {
        let mut scan = scan(&[("m/a.yaml", MAP), ("m/b.yaml", MAP), ("m/c.yaml", "\n[")]);
        scan.unread.insert(PathBuf::from("m/sub"), "Permission denied".to_owned());
        let mut failures = Failures::new();
        unusable(&scan, &order::plan(&scan.files), &mut failures);
        let lines: Vec<&str> = failures.values().map(|failure| failure.line.as_str()).collect();
        let expected = [
            "m/b.yaml:1: ConfigMap default/a is in m/a.yaml:1 already, which counts",
            "m/c.yaml:2: did not find expected node content",
            "m/sub: Permission denied",
        ];
        assert_eq!(lines, expected);
    }
}
