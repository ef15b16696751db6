//! An object of the demo as one sees it: what its status says, and the events about it.

use std::time::{Duration, Instant};

use headwater_api::condition::Status;
use headwater_api::{Artifact, Condition, meta};
use headwater_http::{Clients, Proxies, Trust};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde::Deserialize;
use serde_json::json;

use super::digest;
use super::screen::{Screen, time};
use crate::run::{Stopped, standalone::Running};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the object is looked at while it is waited for.
const GLANCE: Duration = Duration::from_millis(50);

/// An object that is looked at.
pub struct Watched<'a> {
    running: &'a Running,
    kind: &'static str,
    name: &'static str,
    api: Api<DynamicObject>,
}

/// What the object says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Said {
    /// How it is.
    pub conditions: Vec<Condition>,
    artifact: Option<Artifact>,
    last_handled_reconcile_at: Option<String>,
}

impl Said {
    /// Its artifact.
    pub fn artifact(&self) -> Result<Artifact, Stopped> {
        self.artifact.clone().ok_or_else(|| "the status names no artifact".into())
    }

    /// Whether it has the artifact of a revision.
    pub fn has(&self, revision: &str) -> bool {
        self.artifact.as_ref().is_some_and(|artifact| artifact.revision == revision)
    }

    /// Whether it has seen to a request.
    pub fn handled(&self, token: &str) -> bool {
        self.last_handled_reconcile_at.as_deref() == Some(token)
    }

    fn ready(&self) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == "Ready")
    }
}

impl<'a> Watched<'a> {
    /// The object of that kind and name in the default namespace.
    pub fn new(running: &'a Running, kind: &'static str, name: &'static str) -> Self {
        let kinds = ApiResource::from_gvk(&GroupVersionKind::gvk(meta::GROUP, "v1", kind));
        Self { running, kind, name, api: Api::default_namespaced_with(running.client.clone(), &kinds) }
    }

    /// Waits until the object is Ready and `accept`ed; tells what it says of itself meanwhile.
    pub async fn wait(&self, screen: &Screen, accept: impl Fn(&Said) -> bool) -> Result<Said, Stopped> {
        let started = Instant::now();
        let mut told = String::new();
        loop {
            let said = self.said().await?;
            let ready = said.ready();
            if accept(&said) && ready.is_some_and(|ready| ready.status == Status::True) {
                screen.fact("took", &time(started.elapsed()));
                return Ok(said);
            }
            if let Some(ready) = ready.filter(|ready| ready.status != Status::True && ready.message != told) {
                screen.progress(&ready.message);
                told.clone_from(&ready.message);
            }
            if started.elapsed() > PATIENCE {
                let last = if told.is_empty() { "no word of it" } else { &told };
                return Err(format!("not ready after {}: {last}", time(PATIENCE)).into());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Requests a pass.
    pub async fn request(&self, token: &str) -> Result<(), Stopped> {
        let patch = json!({"metadata": {"annotations": {meta::RECONCILE_REQUEST: token}}});
        self.api.patch(self.name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// The message of the event about the object that begins like this.
    pub async fn event(&self, beginning: &str) -> Result<String, Stopped> {
        let events: Api<Event> = Api::default_namespaced(self.running.client.clone());
        let started = Instant::now();
        loop {
            let found = events.list(&ListParams::default()).await?.items.into_iter();
            let ours = found.filter(|event| event.involved_object.kind.as_deref() == Some(self.kind));
            match ours.filter_map(|event| event.message).find(|message| message.starts_with(beginning)) {
                Some(message) => return Ok(message),
                None if started.elapsed() > PATIENCE => return Err("there is no event of a pass without a change".into()),
                None => tokio::time::sleep(GLANCE).await,
            }
        }
    }

    async fn said(&self) -> Result<Said, Stopped> {
        let object = self.api.get_opt(self.name).await?;
        let status = object.and_then(|object| object.data.get("status").cloned());
        Ok(status.map(serde_json::from_value).transpose()?.unwrap_or_default())
    }
}

/// Fetches an artifact over HTTP, and compares its digest with the one in the status.
pub async fn fetch(screen: &Screen, artifact: &Artifact) -> Result<(), Stopped> {
    let started = Instant::now();
    // The artifact server is on this machine, where no proxy leads.
    let client = Clients::new(Ok(Proxies::default())).get(&Trust::default(), None)?;
    let answer = client.get(&artifact.url).send().await?.error_for_status()?;
    let body = answer.bytes().await?;
    let digest = digest(&body);
    if digest != artifact.digest {
        return Err(format!("the artifact's digest is {digest}, and its status says {}", artifact.digest).into());
    }
    screen.fact("fetched", &format!("{} bytes in {}", body.len(), time(started.elapsed())));
    screen.fact("digest", &format!("{digest}, as the status says"));
    Ok(())
}
