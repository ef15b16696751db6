//! A `headwater standalone` process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use headwater_testing::{
    command, eventually,
    kubernetes::rest::{RestClient, SOON},
    port,
    process::Process,
};

/// The process, with the folder that outlives it.
pub struct Standalone {
    pub data: PathBuf,
    pub api: RestClient,
    pub artifacts: String,
    listen: String,
    process: Process,
}

impl Standalone {
    /// A process that is not running yet and keeps all it writes in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self::on(folder, "127.0.0.1", "http://127.0.0.1")
    }

    /// Like [`Self::new`], on another interface and reached by another address.
    pub fn on(folder: &Path, host: &str, url: &str) -> Self {
        for name in ["manifests", "tmp"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let (port, artifacts) = (port::free(), port::address());
        let api = RestClient::new(&format!("{url}:{port}"));
        let (data, process) = (folder.join("data"), Process::new(folder.join("log")));
        Self { data, api, artifacts, listen: format!("{host}:{port}"), process }
    }

    /// Listens there instead.
    pub fn listen_on(&mut self, address: &str) {
        address.clone_into(&mut self.listen);
    }

    fn command(&self) -> Command {
        let mut headwater = command(env!("CARGO_BIN_EXE_headwater"));
        headwater
            .arg("standalone")
            .arg(format!("--manifests={}", self.data.with_file_name("manifests").display()))
            .arg(format!("--data={}", self.data.display()))
            .arg(format!("--listen={}", self.listen))
            .arg(format!("--storage-addr={}", self.artifacts))
            .arg(format!("--storage-adv-addr={}", self.artifacts))
            .env("TMPDIR", self.data.with_file_name("tmp"))
            .stdin(Stdio::null());
        headwater
    }

    /// Starts the process, without waiting for it.
    pub fn spawn(&mut self) {
        self.process.spawn(&mut self.command());
    }

    /// Starts the process and waits until it answers.
    pub async fn start(&mut self) {
        self.spawn();
        eventually(SOON, async || match self.api.ask("GET".parse().unwrap(), "/readyz", "", "").await {
            Ok(answer) if answer.code == 200 => Ok(()),
            other => Err(format!("{other:?}; {}", self.process.log())),
        })
        .await;
    }

    /// Runs the process to its end, where it is to refuse to start.
    pub async fn refusal(&self) -> Output {
        let mut child = self.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        for _ in 0..SOON.as_millis() / 20 {
            if child.try_wait().unwrap().is_some() {
                return child.wait_with_output().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child.kill().unwrap();
        panic!("it runs: {}", String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr));
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// How much memory it has now, in bytes.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}
