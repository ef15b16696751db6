//! Counting: processes and seconds of each test.
//!
//! Where the variable `HEADWATER_TEST_TIMES` names a file, each test that uses this crate adds a line to it when it ends: the test
//! binary, the test, the seconds since its first use of this crate, and the processes that it started. Tabs stand between them.
//! A test is a thread of the test runner, so `--test-threads=1`, which runs all of them on one thread, gives one line a binary.

use std::{
    env,
    ffi::OsStr,
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// The variable that names the file.
const VARIABLE: &str = "HEADWATER_TEST_TIMES";

/// A command that counts as a process of the test on this thread. A command is to be started once.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Tally::of_this_test().command(program)
}

/// The count of the processes of one test. A server takes it along to the threads on which it starts processes.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<AtomicUsize>);

impl Tally {
    /// The count of the test that runs on this thread.
    pub fn of_this_test() -> Self {
        thread_local!(static TEST: Test = Test::begin());
        TEST.try_with(|test| test.processes.clone()).unwrap_or_default()
    }

    /// A command that counts as a process of the test. A command is to be started once.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.0.fetch_add(1, Ordering::Relaxed);
        Command::new(program)
    }
}

/// The test of a thread. It ends with the thread.
struct Test {
    begun: Instant,
    processes: Tally,
}

impl Test {
    fn begin() -> Self {
        Self { begun: Instant::now(), processes: Tally::default() }
    }

    fn line(&self) -> String {
        let binary = env::current_exe().unwrap_or_default();
        // Cargo adds a dash and a digest to the name.
        let binary = binary.file_stem().and_then(OsStr::to_str).and_then(|name| name.rsplit_once('-')).map_or("?", |(name, _)| name);
        let (test, seconds) = (thread::current().name().unwrap_or("?").to_owned(), self.begun.elapsed().as_secs_f64());
        format!("{binary}\t{test}\t{seconds:.3}\t{}\n", self.processes.0.load(Ordering::Relaxed))
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        let Some(path) = env::var_os(VARIABLE).map(PathBuf::from) else { return };
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
            // One write, so that lines of several processes do not mix.
            let _ = file.write_all(self.line().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_count_for_the_test_that_makes_them() {
        let tally = Tally::of_this_test();
        assert!(command("true").status().unwrap().success());
        let (one, two) = (tally.clone(), tally.clone());
        let there = thread::spawn(move || (one.command("true").status().unwrap().success(), command("true").status().unwrap().success()));
        assert_eq!(there.join().unwrap(), (true, true));
        assert_eq!(two.0.load(Ordering::Relaxed), 2, "the other thread has a count of its own");
    }

    #[test]
    fn a_line_names_the_binary_the_test_and_its_processes() {
        let test = Test::begin();
        test.processes.command("true").status().unwrap();
        let line = test.line();
        let fields: Vec<_> = line.trim_end().split('\t').collect();
        assert_eq!((fields[0], fields[1], fields[3]), ("headwater_testing", thread::current().name().unwrap(), "1"), "{line}");
        assert!(fields[2].parse::<f64>().is_ok(), "{line}");
    }
}
