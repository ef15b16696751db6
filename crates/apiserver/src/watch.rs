//! Watching: a stream of changes, written as the client reads it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use futures::stream;
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::kind::{Kind, Origin};
use super::refusal::Refusal;
use super::request::{Query, Shape};
use super::selector::Selector;
use super::store::{self, Change, Store, StoreError, Stored};
use super::view;

/// How often a client is told how far it has seen everything.
const BOOKMARKS: Duration = Duration::from_mins(1);
/// How long a client waits for a version that is yet to come.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a watch lasts that sets no bound itself: from this to twice this.
const LASTING: Duration = Duration::from_mins(30);

/// The longest that a client can ask for.
const LONGEST: u64 = u32::MAX as u64;

/// What to watch.
pub struct Watched {
    /// The kind of the objects.
    pub kind: Arc<Kind>,
    /// Their namespace; all where it is not named.
    pub namespace: Option<String>,
    /// What they have to be like.
    pub selector: Selector,
    /// The form of the answer.
    pub shape: Shape,
}

/// Answers a watch. It ends after its time, when `stop` is cancelled, or when the client is too slow.
pub async fn watch(store: &Store, watched: Watched, query: &Query, stop: CancellationToken) -> Result<Response<Body>, Refusal> {
    let initial = query.is_on("sendInitialEvents");
    check(query)?;
    let lasting = match query.number("timeoutSeconds")? {
        Some(seconds @ 1..) => Duration::from_secs(seconds.min(LONGEST)),
        _ => LASTING + rand::rng().random_range(Duration::ZERO..LASTING),
    };
    let deadline = Instant::now() + lasting;
    let asked = query.version()?;
    let resource = watched.kind.resource();
    let namespace = watched.namespace.clone();
    let mut watching = Watching {
        queue: VecDeque::new(),
        initial: Vec::new().into_iter(),
        more: None,
        ends_initial: None,
        store: store.clone(),
        changes: None,
        bookmarks: query.is_on("allowWatchBookmarks"),
        next_bookmark: Instant::now() + BOOKMARKS,
        header: true,
        ended: false,
        deadline,
        stop,
        watched,
    };
    if let Some(future) = asked.filter(|asked| *asked > store.version())
        && !reached(store, &resource, future, deadline.min(Instant::now() + PATIENCE)).await
    {
        watching.fail(&Refusal::future(future, store.version()));
    }
    // Without a version, or with any that is new enough, the state of now comes first.
    let version = if initial || asked.is_none() {
        let page = store.chunk(&resource, namespace.as_deref(), None, None).map_err(|error| refused(&error, 0))?;
        if initial || query.text("sendInitialEvents").is_empty() {
            watching.initial = page.items.into_iter();
            watching.more = page.next.map(|next| (page.version, next));
        }
        watching.ends_initial = initial.then_some(page.version);
        page.version
    } else {
        asked.unwrap_or_default()
    };
    if !watching.ended {
        match store.watch(&resource, namespace.as_deref(), version) {
            Ok(changes) => watching.changes = Some(changes),
            Err(error) => watching.fail(&refused(&error, version)),
        }
    }
    let stream = stream::unfold(watching, async |mut watching| {
        let line = watching.next().await?;
        Some((Ok::<_, std::convert::Infallible>(line), watching))
    });
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn check(query: &Query) -> Result<(), Refusal> {
    let forbidden = |field, message| Err(Refusal::options("ListOptions", "FieldValueForbidden", field, message));
    let matching = query.text("resourceVersionMatch");
    if !query.text("sendInitialEvents").is_empty() && matching != "NotOlderThan" {
        let message = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return forbidden("resourceVersionMatch", message);
    }
    if !matching.is_empty() && query.text("sendInitialEvents").is_empty() {
        return forbidden(
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    Ok(())
}

/// What a client is told that has seen everything up to `version`.
fn refused(error: &StoreError, version: u64) -> Refusal {
    match error {
        StoreError::Compacted { oldest } => Refusal::expired(version, *oldest),
        other => Refusal::internal(other.to_string()),
    }
}

/// Waits until the store has come to a version.
async fn reached(store: &Store, resource: &str, version: u64, until: Instant) -> bool {
    while store.version() < version {
        let Ok(mut changes) = store.watch(resource, None, store.version()) else { return false };
        let step = tokio::time::timeout_at(until, tokio::time::timeout(Duration::from_millis(100), changes.next())).await;
        if step.is_err() {
            return false;
        }
    }
    true
}

/// A watch under way.
struct Watching {
    watched: Watched,
    queue: VecDeque<Bytes>,
    store: Store,
    /// The next objects of the initial state.
    initial: std::vec::IntoIter<Stored>,
    /// Its version, and the last of these objects, while others follow.
    more: Option<(u64, (String, String))>,
    /// The version of the initial state, while its end has yet to be told.
    ends_initial: Option<u64>,
    changes: Option<store::Watch>,
    bookmarks: bool,
    next_bookmark: Instant,
    /// Whether the columns of a table have yet to be told.
    header: bool,
    ended: bool,
    deadline: Instant,
    stop: CancellationToken,
}

impl Watching {
    /// The next line.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.queue.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            if let Some(stored) = self.initial.next() {
                self.tell_if_selected(&stored);
                continue;
            }
            if let Some((version, after)) = self.more.take() {
                self.go_on(version, after);
                continue;
            }
            if let Some(version) = self.ends_initial.take() {
                self.bookmark(version, true);
                continue;
            }
            let changes = self.changes.as_mut()?;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                next = changes.next() => match next {
                    Ok(batch) => batch.iter().for_each(|change| self.tell(change)),
                    Err(error) => {
                        let seen = changes.seen();
                        self.fail(&refused(&error, seen));
                    }
                },
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    let seen = changes.seen();
                    self.bookmark(seen, false);
                }
                () = tokio::time::sleep_until(self.deadline) => return None,
            }
        }
    }

    /// Reads more of the initial state, now that the client has taken what was there.
    fn go_on(&mut self, version: u64, after: (String, String)) {
        match self.store.chunk(&self.watched.kind.resource(), self.watched.namespace.as_deref(), Some(version), Some(after)) {
            Ok(page) => {
                self.initial = page.items.into_iter();
                self.more = page.next.map(|next| (version, next));
            }
            Err(error) => self.fail(&refused(&error, version)),
        }
    }

    fn tell_if_selected(&mut self, stored: &Stored) {
        if self.selects(stored) {
            self.push("ADDED", stored);
        }
    }

    fn selects(&self, stored: &Stored) -> bool {
        self.watched.selector.is_empty() || view::parsed(stored).is_ok_and(|object| self.watched.selector.matches(&object))
    }

    fn tell(&mut self, change: &Change) {
        let was = change.old.as_ref().filter(|old| self.selects(old));
        let is = change.new.as_ref().filter(|new| self.selects(new));
        match (was, is) {
            (None, None) => {}
            (None, Some(new)) => self.push("ADDED", new),
            (Some(_), Some(new)) => self.push("MODIFIED", new),
            (Some(_), None) => self.push("DELETED", change.object()),
        }
    }

    fn push(&mut self, event: &str, stored: &Stored) {
        let kind = &self.watched.kind;
        let object = match self.watched.shape {
            Shape::Object => view::text(kind, stored),
            shape => view::parsed(stored).map(|object| {
                let shaped = view::shaped(kind, object, shape, self.header);
                self.header = false;
                Bytes::from(shaped.to_string())
            }),
        };
        match object {
            Ok(object) => self.line(event, &object),
            Err(refusal) => self.fail(&refusal),
        }
    }

    fn line(&mut self, event: &str, object: &[u8]) {
        let line = [b"{\"type\":\"", event.as_bytes(), b"\",\"object\":", object, b"}\n"].concat();
        self.queue.push_back(line.into());
    }

    fn bookmark(&mut self, version: u64, ends_initial: bool) {
        self.next_bookmark = Instant::now() + BOOKMARKS;
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if ends_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        if self.watched.kind.origin == Origin::BuiltIn {
            metadata["creationTimestamp"] = Value::Null;
        }
        let kind = &self.watched.kind;
        let mut object = json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata});
        if self.watched.shape == Shape::Partial {
            (object["kind"], object["apiVersion"]) = ("PartialObjectMetadata".into(), "meta.k8s.io/v1".into());
        }
        self.line("BOOKMARK", object.to_string().as_bytes());
    }

    fn fail(&mut self, refusal: &Refusal) {
        self.ended = true;
        self.line("ERROR", refusal.status().to_string().as_bytes());
    }
}
