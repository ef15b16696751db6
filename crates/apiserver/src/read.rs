//! Get and list.

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use super::kind::{Kind, Origin};
use super::refusal::Refusal;
use super::request::{Query, Shape};
use super::selector::Selector;
use super::store::{Key, Page, Range, Store, StoreError, Stored};
use super::table::Include;
use super::{table, view};

/// How many objects are read at a time where a selector leaves some out.
const CHUNK: usize = 500;

/// One object.
pub fn get(store: &Store, kind: &Kind, key: &Key, shape: Shape) -> Result<Bytes, Refusal> {
    let found = store.get(key).map_err(|error| Refusal::of_store(error, kind, &key.name))?;
    let stored = found.ok_or_else(|| Refusal::not_found(kind, &key.name))?;
    match shape {
        Shape::Object => view::text(kind, &stored),
        shape => Ok(view::shaped(kind, view::parsed(&stored)?, shape, true).to_string().into()),
    }
}

/// A list, or a page of one.
pub fn list(
    store: &Store,
    kind: &Kind,
    namespace: Option<&str>,
    selector: &Selector,
    query: &Query,
    shape: Shape,
) -> Result<Body, Refusal> {
    if !query.text("sendInitialEvents").is_empty() {
        let message = "Forbidden: sendInitialEvents is forbidden for list";
        return Err(Refusal::options("ListOptions", "FieldValueForbidden", "sendInitialEvents", message));
    }
    let limit = query.number("limit")?.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let range = range(store, query, limit)?;
    let listed = collect(store, kind, namespace, selector, range)?;
    let mut metadata = json!({"resourceVersion": listed.version.to_string()});
    if kind.origin == Origin::Custom && shape == Shape::Object {
        metadata["continue"] = "".into();
    }
    if let Some((namespace, name)) = &listed.next {
        metadata["continue"] = token(listed.version, namespace, name).into();
        if selector.is_empty() {
            metadata["remainingItemCount"] = listed.remaining.into();
        }
    }
    match shape {
        Shape::Object => whole(kind, &metadata, &listed.items),
        Shape::Partial => {
            let items: Result<Vec<_>, _> = listed.items.iter().map(|stored| view::parsed(stored).map(|o| view::partial(&o))).collect();
            let list = json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items?,
            });
            Ok(list.to_string().into())
        }
        Shape::Table => {
            let items: Result<Vec<_>, _> = listed.items.iter().map(|s| view::parsed(s).map(|o| view::in_version(kind, o))).collect();
            let include = Include::parse(query.text("includeObject")).map_err(Refusal::bad_request)?;
            Ok(table::table(kind, &items?, metadata, include, chrono::Utc::now()).to_string().into())
        }
    }
}

/// The list of objects that a deletion answers.
pub fn deleted(store: &Store, kind: &Kind, items: &[Stored]) -> Result<Body, Refusal> {
    let mut metadata = json!({"resourceVersion": store.version().to_string()});
    if kind.origin == Origin::Custom {
        metadata["continue"] = "".into();
    }
    whole(kind, &metadata, items)
}

/// All objects that are selected; the items of a page are the first `limit` of them.
pub fn selected(store: &Store, kind: &Kind, namespace: Option<&str>, selector: &Selector) -> Result<Vec<Stored>, Refusal> {
    Ok(collect(store, kind, namespace, selector, Range::default())?.items)
}

fn range(store: &Store, query: &Query, limit: Option<usize>) -> Result<Range, Refusal> {
    let (asked, matching) = (query.version()?, query.text("resourceVersionMatch"));
    let from = query.text("continue");
    if !["", "Exact", "NotOlderThan"].contains(&matching) {
        let message =
            format!("Unsupported value: {}: supported values: \"Exact\", \"NotOlderThan\", \"\"", headwater_golang::json::string(matching));
        return Err(Refusal::options("ListOptions", "FieldValueNotSupported", "resourceVersionMatch", &message));
    }
    let forbidden =
        |why: &str| Refusal::options("ListOptions", "FieldValueForbidden", "resourceVersionMatch", &format!("Forbidden: {why}"));
    if !matching.is_empty() && query.text("resourceVersion").is_empty() {
        return Err(forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"));
    }
    if matching == "Exact" && query.text("resourceVersion") == "0" {
        return Err(forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
    }
    if !from.is_empty() {
        if asked.is_some() {
            return Err(Refusal::bad_request("specifying resource version is not allowed when using continue"));
        }
        let bad = |why: &str| Refusal::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let text = STANDARD_NO_PAD.decode(from.trim_end_matches('=')).map_err(|error| bad(&error.to_string()))?;
        let token: Value = serde_json::from_slice(&text).map_err(|error| bad(&error.to_string()))?;
        let start = token["start"].as_str().and_then(|start| start.split_once('/')).ok_or_else(|| bad("start is missing"))?;
        // A token without a version goes on at the version of now.
        return Ok(Range { at: token["rv"].as_u64().filter(|rv| *rv > 0), after: Some((start.0.into(), start.1.into())), limit });
    }
    match asked {
        Some(asked) if asked > store.version() => Err(Refusal::future(asked, store.version())),
        Some(asked) if matching == "Exact" || (matching.is_empty() && limit.is_some()) => Ok(Range { at: Some(asked), after: None, limit }),
        _ => Ok(Range { at: None, after: None, limit }),
    }
}

fn token(version: u64, namespace: &str, name: &str) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": version, "start": format!("{namespace}/{name}")});
    STANDARD_NO_PAD.encode(token.to_string())
}

fn collect(store: &Store, kind: &Kind, namespace: Option<&str>, selector: &Selector, mut range: Range) -> Result<Page, Refusal> {
    let resource = kind.resource();
    let wanted = range.limit;
    if selector.is_empty() {
        return page(store, kind, &resource, namespace, range);
    }
    if let (Some(name), Some(namespace), None) = (selector.name(), namespace.or((!kind.is_namespaced()).then_some("")), range.at) {
        let key = Key { resource, namespace: namespace.into(), name: name.into() };
        let version = store.version();
        let found = store.get(&key).map_err(|error| Refusal::of_store(error, kind, name))?;
        let items = found.into_iter().filter(|stored| view::parsed(stored).is_ok_and(|object| selector.matches(&object))).collect();
        return Ok(Page { version, items, next: None, remaining: 0 });
    }
    let mut items = Vec::new();
    range.limit = wanted.map(|wanted| wanted.max(CHUNK));
    loop {
        let found = page(store, kind, &resource, namespace, range.clone())?;
        for (at, stored) in found.items.iter().enumerate() {
            let object = view::parsed(stored)?;
            if selector.matches(&object) {
                items.push(stored.clone());
                let full = wanted.is_some_and(|wanted| items.len() >= wanted);
                if full && (at + 1 < found.items.len() || found.next.is_some()) {
                    let of = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
                    return Ok(Page { version: found.version, items, next: Some((of("namespace"), of("name"))), remaining: 0 });
                }
            }
        }
        match found.next {
            Some(next) => range = Range { at: Some(found.version), after: Some(next), limit: range.limit },
            None => return Ok(Page { version: found.version, items, next: None, remaining: 0 }),
        }
    }
}

fn page(store: &Store, kind: &Kind, resource: &str, namespace: Option<&str>, range: Range) -> Result<Page, Refusal> {
    let (asked, after) = (range.at, range.after.clone());
    store.list(resource, namespace, range).map_err(|error| match (error, after) {
        (StoreError::Compacted { .. }, Some((namespace, name))) => Refusal::expired_page(token(0, &namespace, &name)),
        (StoreError::Compacted { oldest }, None) => Refusal::expired(asked.unwrap_or_default(), oldest),
        (other, _) => Refusal::of_store(other, kind, ""),
    })
}

/// The list as text, put together from the texts of the objects.
fn whole(kind: &Kind, metadata: &Value, items: &[Stored]) -> Result<Body, Refusal> {
    let size: usize = items.iter().map(|stored| stored.json.len() + 1).sum();
    let mut text = Vec::with_capacity(size + 256);
    let head = format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{metadata},\"items\":[", kind.list_kind, kind.api_version());
    text.extend_from_slice(head.as_bytes());
    for (at, stored) in items.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        if kind.origin == Origin::Custom {
            text.extend_from_slice(&view::text(kind, stored)?);
        } else {
            // In lists of built-in kinds the objects do not repeat what they are.
            let mut object = view::parsed(stored)?;
            if let Some(fields) = object.as_object_mut() {
                fields.remove("kind");
                fields.remove("apiVersion");
            }
            text.extend_from_slice(object.to_string().as_bytes());
        }
    }
    text.extend_from_slice(b"]}");
    Ok(text.into())
}
