//! Supervision of blocking work: it ends when nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::{Error, Remote};

/// Runs blocking Git work on its own thread and sees to it that it ends: by itself, at the deadline, when the remote's token
/// is cancelled, or when this future is dropped.
pub(crate) async fn supervise<T: Send + 'static>(
    remote: &Remote,
    work: impl FnOnce(&Remote, CancellationToken, &AtomicBool) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let stop = Stop { token: remote.cancel.child_token(), interrupt: Arc::default() };
    let url = remote.url.to_string();
    let mut task = tokio::task::spawn_blocking({
        let (remote, token, interrupt) = (remote.clone(), stop.token.clone(), Arc::clone(&stop.interrupt));
        move || work(&remote, token, &interrupt)
    });
    let late = tokio::select! {
        done = &mut task => return done.map_err(|error| ended(url, &error))?,
        () = remote.cancel.cancelled() => Error::Cancelled { url },
        () = tokio::time::sleep_until(remote.deadline) => Error::Deadline { url },
    };
    drop(stop);
    // The thread notices at its next wait or object; nothing of it is left when the caller goes on.
    match task.await {
        Ok(Ok(done)) => Ok(done),
        _ => Err(late),
    }
}

/// The error of work that did not come to its own end.
fn ended(url: String, error: &tokio::task::JoinError) -> Error {
    if error.is_panic() {
        tracing::error!(url, %error, "reading a Git repository ended unexpectedly; please report this");
        return Error::Corrupt { url, message: "what the server sent could not be understood".into() };
    }
    Error::Cancelled { url }
}

/// Stops the blocking side when it goes out of scope.
struct Stop {
    token: CancellationToken,
    interrupt: Arc<AtomicBool>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.token.cancel();
        self.interrupt.store(true, Ordering::Relaxed);
    }
}
