//! Programs that tests need beside Rust and Git.

use std::{
    collections::BTreeSet,
    env,
    io::Write as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Programs that are looked for, and the packages of Debian that bring them.
const PACKAGES: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("git-lfs", "git-lfs"),
    ("go", "golang-go"),
    ("gpg", "gnupg"),
    ("gzip", "gzip"),
    ("mount", "mount"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("tar", "tar"),
];

/// Folders in which programs for administrators lie, which not every user has in the path.
const ADMINISTRATION: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Ends the test here, as passed, unless these programs are installed. See [`installed`].
#[macro_export]
macro_rules! needs {
    ($($program:literal),+ $(,)?) => {
        if !$crate::needs::installed(&[$($program),+]) {
            return;
        }
    };
}

/// Answers whether all of these programs are installed. A missing one is said aloud, once in a run of a test binary, and is a
/// panic where the variable `CI` is set.
pub fn installed(programs: &[&'static str]) -> bool {
    let missing: Vec<_> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    for program in &missing {
        complain(program);
    }
    missing.is_empty()
}

/// The path of a program of [`installed`], looked for in `PATH` and where programs for administrators lie.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(ADMINISTRATION.map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn complain(program: &'static str) {
    let (_, package) = PACKAGES.iter().find(|(name, _)| *name == program).unwrap_or_else(|| panic!("{program} is no program of the list"));
    assert!(env::var_os("CI").is_none(), "CI is set, and there is no {program}: install the package {package}");
    once(program, &format!("SKIPPED the tests that need {program}: install the package {package}"));
}

/// Says a line aloud unless one with the same key was said before in this process.
pub(crate) fn once(key: &'static str, line: &str) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
        loudly(line);
    }
}

/// Says something on standard error even where the test runner captures output.
pub fn loudly(line: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** headwater tests: {line} ***");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_path() {
        assert!(find("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find("no-such-program"), None);
    }

    #[test]
    fn the_macro_goes_on_where_the_program_is_there() {
        let mut passed = false;
        let mut test = || {
            needs!("tar", "gzip");
            passed = true;
        };
        test();
        assert!(passed, "tar and gzip are part of every Debian");
    }
}
