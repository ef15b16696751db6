//! What passes of every kind use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_api::meta;
use kube::ResourceExt;
use tracing::info;

use super::{Ctx, Reconcile};
use crate::notify::{Event, Severity};

/// Logs, and tells those who read the object's events, but no webhook.
pub fn trace_event<K: Reconcile>(object: &K, cx: &Ctx, reason: &str, message: &str) {
    info!("{message}");
    cx.recorder.record(Event::about(object, Severity::Trace, reason, message));
}

/// Runs something that blocks; a panic in it goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is stopping: this future is about to be dropped as well.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Cancels what blocks elsewhere when the pass ends early.
#[derive(Default)]
pub struct CancelOnDrop(Arc<AtomicBool>);

impl CancelOnDrop {
    /// What is set when the work is of no use any more.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The reconcile request on the object.
pub fn requested<K: Reconcile>(object: &K) -> Option<&str> {
    object.annotations().get(meta::RECONCILE_REQUEST).map(String::as_str)
}
