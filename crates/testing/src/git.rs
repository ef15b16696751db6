//! Git: bare repositories with commits that are the same in every run, servers that have them, and packs made by hand.

pub mod client;
pub mod front;
pub mod middleman;
pub mod packs;
mod repository;
pub mod script;
pub mod server;
pub mod signed;

use std::path::Path;

pub use repository::{Entry, Repository};

use crate::command;

/// The name of everyone who commits.
const NAME: &str = "T";
/// The address of everyone who commits.
const ADDRESS: &str = "t@example.com";

/// Runs git in a folder, without anyone's configuration. Answers its standard output without the white space around it.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = command("git")
        .args(arguments)
        .current_dir(folder)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", NAME), ("GIT_AUTHOR_EMAIL", ADDRESS)])
        .envs([("GIT_COMMITTER_NAME", NAME), ("GIT_COMMITTER_EMAIL", ADDRESS)])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
