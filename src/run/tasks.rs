//! The tasks of the process.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Stopped;

/// How long tasks may take to end after a signal; less than the ten seconds that Pods are given, so that the lease is still
/// released.
const GRACE: Duration = Duration::from_secs(8);

/// Ends when the process is asked to stop.
pub fn signals(stop: CancellationToken) -> Result<impl Future<Output = ()>, std::io::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!("stopping: SIGTERM"),
            _ = interrupt.recv() => info!("stopping: SIGINT"),
            () = stop.cancelled() => {}
        }
        stop.cancel();
    })
}

/// Every task of the process. The end of any of them stops all.
pub struct Tasks {
    stop: CancellationToken,
    running: JoinSet<&'static str>,
    /// Tasks that end by themselves once nothing is handed to them any more.
    flushing: JoinSet<()>,
    failed: Option<String>,
}

impl Tasks {
    /// No tasks yet.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, running: JoinSet::new(), flushing: JoinSet::new(), failed: None }
    }

    /// What is cancelled when the tasks are to end.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that goes on until the end of the process.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(async move {
            task.await;
            name
        });
    }

    /// Starts a task that ends by itself once nothing is handed to it any more.
    pub fn flush(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.flushing.spawn(async move {
            task.await;
            tracing::debug!(task = name, "ended");
        });
    }

    /// Says why the process does not end well; the first reason counts.
    pub fn fail(&mut self, why: &str) {
        self.failed.get_or_insert_with(|| why.to_owned());
    }

    /// Waits until the first task ends; unless a signal caused it, that is a failure.
    pub async fn any_ended(&mut self) {
        match self.running.join_next().await {
            Some(Ok(_)) if self.stop.is_cancelled() => {}
            Some(Ok(name)) => self.fail(&format!("the {name} ended unexpectedly")),
            Some(Err(error)) => self.fail(&format!("a task failed: {error}")),
            None => {}
        }
    }

    /// Stops what still runs, within [`GRACE`].
    pub async fn finish(mut self) -> Result<(), Stopped> {
        self.stop.cancel();
        let ended = tokio::time::timeout(GRACE, async {
            while self.running.join_next().await.is_some() {}
            while self.flushing.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            warn!("not everything ended in time; stopping anyway");
        }
        self.failed.map_or(Ok(()), |why| Err(why.into()))
    }
}
