//! The real binary, started as a deployment would start it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use headwater_testing::{PATIENCE, command, eventually, kubernetes, port, process::Process};

use super::events::EventSink;

/// A `headwater controller` process with its storage folder, which outlives a restart.
pub struct Controller {
    pub storage: PathBuf,
    /// Its TMPDIR.
    pub temporary: PathBuf,
    pub events: EventSink,
    pub metrics: String,
    pub health: String,
    pub origin: String,
    arguments: Vec<String>,
    kubeconfig: PathBuf,
    process: Process,
}

impl Controller {
    /// A controller that is not running yet. It keeps what it writes under `folder` and reconciles what `selector`
    /// selects; `more` are arguments that win over those of the harness.
    pub async fn new(folder: &Path, kubeconfig: &Path, selector: &str, more: &[&str]) -> Self {
        let (storage, events) = (folder.join("storage"), EventSink::start().await);
        let temporary = folder.join("tmp");
        for folder in [&storage, &temporary] {
            fs::create_dir_all(folder).unwrap();
        }
        let (origin, metrics, health) = (port::address(), port::address(), port::address());
        let mut arguments = vec![
            "controller".to_owned(),
            format!("--storage-path={}", storage.display()),
            format!("--storage-addr={origin}"),
            format!("--storage-adv-addr={origin}"),
            format!("--metrics-addr={metrics}"),
            format!("--health-addr={health}"),
            format!("--events-addr={}", events.url),
            format!("--watch-label-selector={selector}"),
            "--watch-all-namespaces=true".to_owned(),
            "--interval-jitter-percentage=0".to_owned(),
            "--min-retry-delay=200ms".to_owned(),
            "--max-retry-delay=1s".to_owned(),
            "--concurrent=4".to_owned(),
        ];
        for argument in more {
            let name = argument.split('=').next().unwrap();
            arguments.retain(|other| other.split('=').next() != Some(name));
            arguments.push((*argument).to_owned());
        }
        let http = |address: String| format!("http://{address}");
        Self {
            storage,
            temporary,
            events,
            metrics: http(metrics),
            health: http(health),
            origin: http(origin),
            arguments,
            kubeconfig: kubeconfig.to_owned(),
            process: Process::new(folder.join("controller.log")),
        }
    }

    /// What starts the process.
    pub fn command(&self) -> Command {
        let mut headwater = command(env!("CARGO_BIN_EXE_headwater"));
        headwater
            .args(&self.arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("RUNTIME_NAMESPACE", "default")
            .env("TMPDIR", &self.temporary);
        headwater
    }

    /// Starts the process, without waiting for it.
    pub fn spawn(&mut self) {
        let mut headwater = self.command();
        self.process.spawn(&mut headwater);
    }

    /// Starts the process and waits until it says that it is ready.
    pub async fn start(&mut self) {
        self.spawn();
        let url = format!("{}/readyz", self.health);
        eventually(PATIENCE, async || match reqwest::get(&url).await {
            Ok(answer) if answer.status() == 200 => Ok(()),
            Ok(answer) => Err(format!("/readyz answers {}", answer.status())),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Kills the process as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks the process to end, and answers how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.stop("-TERM").await
    }

    /// Everything that it has written on its standard streams.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The files below the storage folder, relative to it.
    pub fn stored(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.storage.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => found.push(entry.path().strip_prefix(&self.storage).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found
    }
}

/// Writes a kubeconfig for the API server at `url`, which asks for no credentials, into `folder`.
pub fn kubeconfig(folder: &Path, url: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    fs::write(&path, kubernetes::kubeconfig(url, None, None)).unwrap();
    path
}
