//! The server: its store, its kinds, and the ways in.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::admit::{self, DEFINITIONS};
use crate::kind::Kind;
use crate::kinds::Kinds;
use crate::refusal::Refusal;
use crate::store::{Key, OpenError, Place, Range, Store, StoreError, Stored};
use crate::{builtin, collect, custom, handle, object, view};

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

/// Failure to start the server.
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

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.0.kinds.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The token that requests over the network must bear, if any.
    pub(crate) fn token(&self) -> Option<&str> {
        self.0.token.as_deref()
    }

    /// True while there is another handle, or a read is under way.
    #[cfg(feature = "testing")]
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || self.store().is_shared()
    }

    /// The end of the server.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The one place that changes stored objects. A definition counts from the moment when its write is answered.
    pub(crate) async fn write(&self, kind: &Kind, key: Key, expected: Option<u64>, new: Option<Value>) -> Result<Stored, Refusal> {
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

    pub(crate) fn no_namespace(&self, name: &str) -> Refusal {
        self.kinds().find("", "v1", "namespaces").map_or_else(Refusal::no_resource, |kind| Refusal::not_found(&kind, name))
    }
}
