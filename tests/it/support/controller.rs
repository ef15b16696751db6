//! The real binary, started as a deployment would start it.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::atomic::{AtomicU16, Ordering},
};

use serde_json::json;

use super::{PATIENCE, events::EventSink, eventually, process::Process};

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
        let local = || format!("127.0.0.1:{}", port());
        let (origin, metrics, health) = (local(), local(), local());
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command
            .args(&self.arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("RUNTIME_NAMESPACE", "default")
            .env("TMPDIR", &self.temporary);
        command
    }

    /// Starts the process, without waiting for it.
    pub fn spawn(&mut self) {
        let mut command = self.command();
        self.process.spawn(&mut command);
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

/// A loopback port that is free now and that no other caller is given. It lies below the range from which the system
/// takes ports for outgoing connections, so that it is still free when the process listens on it.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 100).unwrap() * 200;
    loop {
        let port = first.saturating_add(NEXT.fetch_add(1, Ordering::SeqCst));
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Writes a kubeconfig for the API server at `url`, which asks for no credentials, into `folder`.
pub fn kubeconfig(folder: &Path, url: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
        "clusters": [{"name": "x", "cluster": {"server": url}}], "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    });
    fs::write(&path, config.to_string()).unwrap();
    path
}
