//! What is asked of the server: apply one object, find what was applied before, delete what is gone.
//!
//! What was applied is known after a restart through a label on the objects themselves. It is written in the same request
//! as the object, so there is no moment in which an object is there and not known as ours, or the reverse; a list kept
//! elsewhere would need a write before and one after each change, and could be lost on its own. As a label is easily
//! copied along with an object, only those are deleted that our field manager wrote the label of.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    future::Future,
    time::Duration,
};

use headwater_http::printable_url;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};
use kube::{
    Client, ResourceExt,
    api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::parse::{DEFAULT_NAMESPACE, Key, Object};
use crate::{cluster::patch::is_not_found, telemetry::told};

/// The field manager of every write.
pub const MANAGER: &str = "headwater-standalone";
/// The label of what was applied; its value is [`MANAGER`]. Who takes it off an object keeps the object.
pub const LABEL: &str = "headwater.dev/manifests";
/// The longest that one request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// The longest that a new kind may take until it can be used.
const ESTABLISH: Duration = Duration::from_secs(10);
/// How often to look whether it can.
const POLL: Duration = Duration::from_millis(50);
/// How many objects are listed in one answer.
const PAGE: u32 = 500;

/// What applying an object did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was different.
    Configured,
    /// It was as it should be.
    Unchanged,
}

/// What deleting an object did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It is deleted, or will be once its finalizers are gone.
    Pruned,
    /// It was gone, or is no longer ours.
    Before,
}

/// Why something asked of the server was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has a reason.
    #[error("{0}")]
    Said(String),
    /// It does not answer.
    #[error("{0}")]
    Silent(String),
}

/// A kind as the server has it.
#[derive(Debug, Clone)]
pub struct Kind {
    resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Kind {
    fn new(group_version: &str, found: &APIResource) -> Self {
        let (group, version) = group_version.rsplit_once('/').unwrap_or(("", group_version));
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: group_version.to_owned(),
            kind: found.kind.clone(),
            plural: found.name.clone(),
        };
        Self { resource, namespaced: found.namespaced }
    }
}

/// The server, and the kinds known of it.
pub struct Server {
    client: Client,
    /// Those asked for once, by group and version.
    kinds: HashMap<String, Vec<APIResource>>,
}

impl Server {
    /// Nothing is asked yet.
    pub fn new(client: Client) -> Self {
        Self { client, kinds: HashMap::new() }
    }

    /// Forgets the kinds of a group, as they may have changed.
    pub fn forget(&mut self, group: &str) {
        self.kinds.retain(|known, _| known.rsplit_once('/').map_or("", |(group, _)| group) != group);
    }

    /// The kind, asked for anew if it is not known.
    ///
    /// # Errors
    /// What to tell the user.
    pub async fn kind(&mut self, api_version: &str, kind: &str) -> Result<Kind, Refusal> {
        let find =
            |kinds: &[APIResource]| kinds.iter().find(|r| r.kind == kind && !r.name.contains('/')).map(|r| Kind::new(api_version, r));
        if let Some(found) = self.kinds.get(api_version).and_then(|kinds| find(kinds)) {
            return Ok(found);
        }
        let unknown = || Refusal::Said(format!("no matches for kind \"{kind}\" in version \"{api_version}\""));
        let Some(listed) = self.resources(api_version).await? else { return Err(unknown()) };
        let found = find(&listed.resources).ok_or_else(unknown);
        self.kinds.insert(api_version.to_owned(), listed.resources);
        found
    }

    /// The kinds of a group and version; none if the server does not have it.
    async fn resources(&self, api_version: &str) -> Result<Option<APIResourceList>, Refusal> {
        let listed = async {
            let listed = if api_version.contains('/') {
                self.client.list_api_group_resources(api_version).await
            } else {
                self.client.list_core_api_resources(api_version).await
            };
            listed.map(Some).or_else(|error| if is_not_found(&error) { Ok(None) } else { Err(error) })
        };
        bounded(listed).await
    }

    /// Applies an object, all conflicts decided in its favour.
    ///
    /// # Errors
    /// What to tell the user.
    pub async fn apply(&self, kind: &Kind, object: &Object) -> Result<Outcome, Refusal> {
        let api = self.api(kind, &object.key.namespace);
        let name = &object.key.name;
        let before = bounded(api.get_opt(name)).await?;
        if before.as_ref().is_some_and(|before| before.metadata.deletion_timestamp.is_some()) {
            return Err(Refusal::Said("it is still being deleted".to_owned()));
        }
        // As strict as kubectl: a misspelt field is told, not dropped.
        let params = PatchParams::apply(MANAGER).force().validation_strict();
        let after =
            bounded(api.patch(name, &params, &Patch::Apply(labelled(&object.value)))).await.map_err(|refusal| unsaid(refusal, object))?;
        Ok(match before {
            None => Outcome::Created,
            Some(before) if before.resource_version() == after.resource_version() => Outcome::Unchanged,
            Some(_) => Outcome::Configured,
        })
    }

    /// Waits until the kind that a CustomResourceDefinition defines can be used.
    ///
    /// # Errors
    /// What to tell the user.
    pub async fn established(&mut self, kind: &Kind, definition: &Object) -> Result<(), Refusal> {
        let spec = &definition.value["spec"];
        let (group, defined) = (spec["group"].as_str().unwrap_or_default(), spec["names"]["kind"].as_str().unwrap_or_default());
        let served = spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == json!(true));
        let versions: Vec<String> = served.filter_map(|version| Some(format!("{group}/{}", version["name"].as_str()?))).collect();
        let api = self.api(kind, DEFAULT_NAMESPACE);
        let until = Instant::now() + ESTABLISH;
        loop {
            let now = bounded(api.get(&definition.key.name)).await?;
            let mut ready = now.data["status"]["conditions"]
                .as_array()
                .is_some_and(|all| all.iter().any(|c| c["type"] == json!("Established") && c["status"] == json!("True")));
            self.forget(group);
            for version in &versions {
                ready = ready && self.kind(version, defined).await.is_ok();
            }
            if ready {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Refusal::Said(format!("not established after {} s", ESTABLISH.as_secs())));
            }
            sleep(POLL).await;
        }
    }

    /// All objects on the server that were applied from a folder by us.
    ///
    /// # Errors
    /// What to tell the user. Kinds that cannot be listed are left out: nothing of them will be deleted.
    pub async fn inventory(&self) -> Result<BTreeMap<Key, Kind>, Refusal> {
        let core = bounded(self.client.list_core_api_versions()).await?;
        let groups = bounded(self.client.list_api_groups()).await?;
        let mut versions: Vec<String> = core.versions;
        for mut group in groups.groups.into_iter().filter(|group| group.name != "events.k8s.io") {
            // The version that the server prefers first: each kind is listed in one only.
            if let Some(preferred) = group.preferred_version {
                group.versions.sort_by_key(|version| version.version != preferred.version);
            }
            versions.extend(group.versions.into_iter().map(|version| version.group_version));
        }
        let mut kinds: BTreeMap<(String, String), Kind> = BTreeMap::new();
        for version in versions {
            let Some(listed) = self.resources(&version).await.ok().flatten() else { continue };
            for found in listed.resources.iter().filter(|r| ["list", "delete"].iter().all(|verb| r.verbs.iter().any(|v| v == verb))) {
                let kind = Kind::new(&version, found);
                kinds.entry((kind.resource.group.clone(), found.name.clone())).or_insert(kind);
            }
        }
        let mut ours = BTreeMap::new();
        for kind in kinds.into_values() {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind.resource);
            let mut params = ListParams::default().labels(&format!("{LABEL}={MANAGER}")).limit(PAGE);
            loop {
                let Ok(page) = bounded(api.list(&params)).await else { break };
                for object in page.items.iter().filter(|object| owned(object)) {
                    let key = Key::new(&kind.resource.api_version, &kind.resource.kind, object.namespace().as_deref(), &object.name_any());
                    ours.insert(key, kind.clone());
                }
                params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
                if params.continue_token.is_none() {
                    break;
                }
            }
        }
        Ok(ours)
    }

    /// Deletes an object if it is still ours; what depends on it goes later, on its own.
    ///
    /// # Errors
    /// What to tell the user.
    pub async fn prune(&self, kind: &Kind, key: &Key) -> Result<Gone, Refusal> {
        let api = self.api(kind, &key.namespace);
        let Some(found) = bounded(api.get_opt(&key.name)).await? else { return Ok(Gone::Before) };
        if !owned(&found) || found.metadata.deletion_timestamp.is_some() {
            return Ok(Gone::Before);
        }
        let preconditions = Preconditions { uid: found.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        let deleted = async {
            match api.delete(&key.name, &params).await {
                Ok(_) => Ok(Gone::Pruned),
                Err(error) if is_not_found(&error) => Ok(Gone::Before),
                Err(error) => Err(error),
            }
        };
        bounded(deleted).await
    }

    fn api(&self, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
        if kind.namespaced {
            Api::namespaced_with(self.client.clone(), namespace, &kind.resource)
        } else {
            Api::all_with(self.client.clone(), &kind.resource)
        }
    }
}

/// The name of an object for people.
pub fn title(kind: &Kind, key: &Key) -> String {
    if kind.namespaced { key.to_string() } else { format!("{} {}", key.kind, key.name) }
}

async fn bounded<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Refusal> {
    match timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error @ (kube::Error::Service(_) | kube::Error::HyperError(_)))) => Err(Refusal::Silent(told(&error))),
        Ok(Err(error)) => Err(Refusal::Said(told(&error))),
        Err(_) => Err(Refusal::Silent(format!("no answer in {} s", REQUEST.as_secs()))),
    }
}

/// Whether an object has our label, and from us.
fn owned(object: &DynamicObject) -> bool {
    let field = format!("f:{LABEL}");
    object.labels().get(LABEL).is_some_and(|by| by == MANAGER)
        && object.managed_fields().iter().any(|entry| {
            entry.manager.as_deref() == Some(MANAGER)
                && entry.operation.as_deref() == Some("Apply")
                && entry.fields_v1.as_ref().is_some_and(|fields| fields.0["f:metadata"]["f:labels"].get(&field).is_some())
        })
}

/// The object with our label.
fn labelled(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if labels.is_null() {
            *labels = json!({});
        }
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(LABEL.to_owned(), MANAGER.into());
        }
    }
    object
}

/// What the server said about an object, without what the object keeps secret.
fn unsaid(refusal: Refusal, object: &Object) -> Refusal {
    let Refusal::Said(said) = refusal else { return refusal };
    if !object.key.group.is_empty() || object.key.kind != "Secret" {
        let mut found = Vec::new();
        urls(&object.value, "", &mut found);
        return Refusal::Said(found.into_iter().fold(said, |said, url| without_password(&said, url)));
    }
    let mut secrets = Vec::new();
    for field in ["data", "stringData"] {
        scalars(&object.value[field], &mut secrets);
    }
    // Servers quote what they cite, so that only the pieces between such characters are there as they are here.
    let quoted = |c: char| c.is_control() || c == '"' || c == '\\' || c == '\'';
    let mut secrets: Vec<&str> = secrets.iter().flat_map(|secret| secret.split(quoted).chain([secret.as_str()])).collect();
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    Refusal::Said(secrets.iter().filter(|secret| secret.len() > 2).fold(said, |said, secret| said.replace(secret, "***")))
}

/// Texts of an object that are URLs, or should be.
fn urls<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| urls(item, key, found)),
        Value::Object(map) => map.iter().for_each(|(key, value)| urls(value, key, found)),
        Value::String(text) if key == "url" || text.contains("://") => found.push(text),
        _ => {}
    }
}

/// Replaces a URL of the object by its printable form, be it cited as it is or in quotes.
fn without_password(said: &str, url: &str) -> String {
    let printable = printable_url(url);
    if printable == url {
        return said.to_owned();
    }
    let cited = Value::from(url).to_string();
    said.replace(url, &printable).replace(cited.trim_matches('"'), &printable)
}

fn scalars(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Object(map) => map.values().for_each(|value| scalars(value, found)),
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::parse;

    #[test]
    fn a_refused_secret_stays_one() {
        let text = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: hunter2, stringData: {a: [swordfish]}}";
        let found = parse::objects(text);
        let object = &found.as_deref().unwrap_or_default()[0];
        let told = unsaid(Refusal::Said(".data: expected map, got &{hunter2} swordfish".to_owned()), object);
        assert_eq!(told.to_string(), ".data: expected map, got &{***} ***");

        let text = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: \"one\\ntwo \\\"three\"}}";
        let found = parse::objects(text);
        let object = &found.as_deref().unwrap_or_default()[0];
        let told = unsaid(Refusal::Said(r#"data.a: Invalid value: "one\ntwo \"three": not base64"#.to_owned()), object);
        assert_eq!(told.to_string(), r#"data.a: Invalid value: "***\n***\"***": not base64"#);
    }

    #[test]
    fn a_refused_url_is_told_without_its_password() {
        for (url, cited, printed) in [
            ("ftp://user:s3cret@host/r?token=s3cret", "ftp://user:s3cret@host/r?token=s3cret", "ftp://host/r"),
            ("user:s3\\cret@host/r", r"user:s3\\cret@host/r", "host/r"),
        ] {
            let text = format!("{{apiVersion: v1, kind: HelmRepository, metadata: {{name: a}}, spec: {{url: {url:?}}}}}");
            let found = parse::objects(&text);
            let object = &found.as_deref().unwrap_or_default()[0];
            let told = |url: &str| format!("spec.url: Invalid value: \"{url}\": should match '^(http|https|oci)://.*$'");
            assert_eq!(unsaid(Refusal::Said(told(cited)), object).to_string(), told(printed));
        }
    }

    #[test]
    fn the_label_is_added_to_labels_of_any_shape_but_wrong_ones() {
        for (labels, expected) in [
            (json!({}), json!({ "labels": { LABEL: MANAGER } })),
            (json!({ "labels": null }), json!({ "labels": { LABEL: MANAGER } })),
            (json!({ "labels": { "a": "b" } }), json!({ "labels": { "a": "b", LABEL: MANAGER } })),
            (json!({ "labels": 7 }), json!({ "labels": 7 })),
        ] {
            assert_eq!(labelled(&json!({ "metadata": labels }))["metadata"], expected);
        }
    }

    #[test]
    fn a_copied_label_makes_nothing_ours() -> Result<(), serde_json::Error> {
        let fields = json!({ "f:metadata": { "f:labels": { format!("f:{LABEL}"): {} } } });
        let object = |manager: &str| {
            serde_json::from_value::<DynamicObject>(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
                "name": "x", "labels": { LABEL: MANAGER },
                "managedFields": [{ "manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields }],
            } }))
        };
        assert!(owned(&object(MANAGER)?));
        assert!(!owned(&object("kubectl")?));
        Ok(())
    }
}
