//! A process that can be killed, ended and started again.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{command, eventually};

/// A process that writes to a log, which outlives it. It ends with its owner.
#[derive(Debug)]
pub struct Process {
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A process that is not running yet, and the file that it will write to.
    pub fn new(log: PathBuf) -> Self {
        Self { log, child: None }
    }

    /// Starts it, without waiting for it.
    pub fn spawn(&mut self, command: &mut Command) {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Answers whether it is running.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Its number; it has to be running.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, and answers how it ended.
    pub async fn stop(&mut self, signal: &str) -> ExitStatus {
        let child = self.child.as_mut().unwrap();
        ask(child, signal);
        let status = ended(child).await;
        self.child = None;
        status
    }

    /// Everything that it has written on its standard streams.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the end of the log:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Sends a signal, such as `-TERM`.
pub fn ask(child: &Child, signal: &str) {
    // The command is a part of the shell: no package has to bring it.
    let asked = command("sh").args(["-c", "kill \"$0\" \"$1\"", signal, &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
}

/// Waits for the end of a process that was asked to end.
pub async fn ended(child: &mut Child) -> ExitStatus {
    let limit = Duration::from_secs(30);
    eventually(limit, async || child.try_wait().unwrap().ok_or_else(|| "it ignores the signal".to_owned())).await
}
