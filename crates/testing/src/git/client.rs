//! Git's own client, which shows that the servers of this harness are what they say.

use std::path::Path;

use crate::command;

/// Clones the branch `main` with depth 1. The error is what git says.
pub async fn clone(url: String, folder: &Path, config: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let mut git = command("git");
    for setting in config {
        git.args(["-c", setting]);
    }
    git.args(["clone", "-q", "--bare", "--depth=1", "--branch=main", &url])
        .arg(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")])
        .envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || git.output().unwrap()).await.unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
