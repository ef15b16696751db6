//! An embedded Kubernetes API: what controllers and kubectl need, over a database in a folder or in memory.
//!
//! Invariants: an answered write is on disk; every write is computed from the state that it replaces; what the server does
//! not have is refused with a message that says so.

mod admit;
mod builtin;
mod collect;
mod custom;
mod delete;
mod discovery;
mod fields;
mod handle;
mod kind;
mod kinds;
mod object;
mod openapi;
mod patch;
mod protobuf;
mod read;
mod refusal;
mod request;
mod schema;
mod selector;
mod store;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod view;
mod watch;
mod write;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use admit::DEFINITIONS;
use kind::Kind;
use kinds::Kinds;
use refusal::Refusal;
use store::{Key, Range, Store, StoreError, Stored};
pub use store::{OpenError, Place};

/// The API server; a cheap handle.
#[derive(Clone)]
pub struct ApiServer(Arc<Inner>);

struct Inner {
    store: Store,
    kinds: RwLock<Arc<Kinds>>,
    reloading: Mutex<()>,
    token: Option<String>,
    stop: CancellationToken,
}

/// Namespaces that are always there.
const NAMESPACES: [&str; 3] = ["default", "kube-system", "flux-system"];

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database takes no objects.
    #[error("the first objects cannot be written: {0}")]
    Write(#[from] StoreError),
}

impl ApiServer {
    /// Opens the database. Requests over the network must bear `token`, where there is one. Watches end when `stop` is cancelled.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open(place: Place, token: Option<String>, stop: CancellationToken) -> Result<Self, StartError> {
        let store = Store::open(place)?;
        let server = Self(Arc::new(Inner { store, kinds: RwLock::default(), reloading: Mutex::default(), token, stop }));
        server.reload();
        for name in NAMESPACES {
            let key = Key::namespace(name);
            if let (Ok(None), Some(kind)) = (server.store().get(&key), server.kinds().find("", "v1", "namespaces")) {
                let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                object::stamp(&kind, &mut namespace);
                admit::complete(&kind, &mut namespace, &Value::Null);
                admit::establish(&kind, &mut namespace, &Value::Null);
                server.store().write(key, None, Some(namespace)).await?;
            }
        }
        Ok(server)
    }

    /// Everything over HTTP. Without a token in the request only what is served in process.
    pub fn router(&self) -> Router {
        handle::contain(Router::new().fallback(handle::over_network)).with_state(self.clone())
    }

    /// A client in the same process.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(handle::contain(Router::new().fallback(handle::in_process)).with_state(self.clone()), "default")
    }

    /// Collects garbage until the server is stopped.
    pub async fn collect(self) {
        let stop = self.0.stop.clone();
        collect::run(self, stop).await;
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.0.kinds.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one place that changes stored objects. A definition counts from the moment when its write is answered.
    async fn write(&self, kind: &Kind, key: Key, expected: Option<u64>, new: Option<Value>) -> Result<Stored, Refusal> {
        let name = key.name.clone();
        let written = self.store().write(key, expected, new).await.map_err(|error| Refusal::of_store(error, kind, &name))?;
        if kind.resource() == DEFINITIONS {
            self.reload();
        }
        Ok(written)
    }

    /// Reads the definitions again.
    fn reload(&self) {
        // Who read earlier must not have the last word.
        let _one_at_a_time = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kinds = builtin::kinds();
        let definitions = self.store().list(DEFINITIONS, None, Range::default()).map(|page| page.items).unwrap_or_default();
        for definition in definitions.iter().filter_map(|stored| view::parsed(stored).ok()) {
            match custom::kinds(&definition) {
                Ok(found) => kinds.extend(found),
                Err(causes) => tracing::warn!(name = %definition["metadata"]["name"], ?causes, "a stored definition is not usable"),
            }
        }
        *self.0.kinds.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Kinds::new(kinds));
    }

    fn no_namespace(&self, name: &str) -> Refusal {
        self.kinds().find("", "v1", "namespaces").map_or_else(Refusal::no_resource, |kind| Refusal::not_found(&kind, name))
    }
}
