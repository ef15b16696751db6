//! How much memory a controller takes.

use std::{fs, path::Path};

use super::controller::Controller;

/// The most memory that the process of `controller` ever had, in bytes.
pub fn peak(controller: &Controller) -> u64 {
    let status = fs::read_to_string(process(controller).unwrap().join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Forgets the most so far.
pub fn reset_peak(controller: &Controller) {
    fs::write(process(controller).unwrap().join("clear_refs"), "5").unwrap();
}

/// Its folder below `/proc`, found by its storage, which no other has.
fn process(controller: &Controller) -> Option<std::path::PathBuf> {
    let argument = format!("--storage-path={}", controller.storage.display());
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.into_iter().find(|folder| is(folder, &argument))
}

fn is(folder: &Path, argument: &str) -> bool {
    fs::read(folder.join("cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}
