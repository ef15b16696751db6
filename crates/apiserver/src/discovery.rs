//! What this server serves, as clients ask before anything else.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Value, json};

use super::kind::{Kind, Origin, Scope, Status};

/// The media type of the aggregated form.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

const STATUS_VERBS: [&str; 3] = ["get", "patch", "update"];

/// `/version`.
fn version() -> Value {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let system = if std::env::consts::OS == "macos" { "darwin" } else { std::env::consts::OS };
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": concat!("v1.36.3+headwater.", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{system}/{platform}"),
    })
}

/// The answer to a path of discovery, with its media type: the aggregated form where `accept` asks for it. Nothing for other paths, and for
/// groups and versions that there are not.
pub fn answer(path: &str, accept: &str, kinds: &[Arc<Kind>]) -> Option<(&'static str, String)> {
    let aggregated = accept.split(',').any(|media| media.split_whitespace().collect::<String>().starts_with(AGGREGATED));
    let value = match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["version"] => version(),
        ["api"] if aggregated => aggregated_core(kinds),
        ["apis"] if aggregated => aggregated_groups(kinds),
        ["api"] => core_versions(),
        ["apis"] => groups(kinds),
        ["apis", name] => group(kinds, name)?,
        ["api", version] => resources(kinds, "", version)?,
        ["apis", group, version] => resources(kinds, group, version)?,
        _ => return None,
    };
    let media_type = if value["kind"] == "APIGroupDiscoveryList" { AGGREGATED } else { "application/json" };
    Some((media_type, value.to_string()))
}

/// `/api`: the versions of the core group.
fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`: the groups besides the core one.
fn groups(kinds: &[Arc<Kind>]) -> Value {
    let groups: Vec<Value> = group_names(kinds).into_iter().filter_map(|name| describe(kinds, name)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`: nothing if there is no such group.
fn group(kinds: &[Arc<Kind>], name: &str) -> Option<Value> {
    let mut out = describe(kinds, name)?;
    out["kind"] = "APIGroup".into();
    out["apiVersion"] = "v1".into();
    Some(out)
}

/// `/api/v1` (with an empty group) and `/apis/GROUP/VERSION`: nothing if there is no such version.
fn resources(kinds: &[Arc<Kind>], group: &str, version: &str) -> Option<Value> {
    let mut group_version = None;
    let mut resources = Vec::new();
    for kind in of_version(kinds, group, version) {
        group_version = Some(kind.api_version());
        let mut resource = json!({
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.is_namespaced(),
            "kind": kind.kind,
            "verbs": verbs(kind),
        });
        name_lists(kind, &mut resource);
        resources.push(resource);
        if kind.status == Status::Subresource {
            resources.push(json!({
                "name": format!("{}/status", kind.plural),
                "singularName": "",
                "namespaced": kind.is_namespaced(),
                "kind": kind.kind,
                "verbs": STATUS_VERBS,
            }));
        }
    }
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version?, "resources": resources}))
}

/// `/api` in the aggregated form.
fn aggregated_core(kinds: &[Arc<Kind>]) -> Value {
    aggregated_list(&[json!({"metadata": {}, "versions": aggregated_versions(kinds, "")})])
}

/// `/apis` in the aggregated form.
fn aggregated_groups(kinds: &[Arc<Kind>]) -> Value {
    let group = |name| json!({"metadata": {"name": name}, "versions": aggregated_versions(kinds, name)});
    aggregated_list(&group_names(kinds).into_iter().map(group).collect::<Vec<_>>())
}

fn aggregated_list(items: &[Value]) -> Value {
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_versions(kinds: &[Arc<Kind>], group: &str) -> Vec<Value> {
    let version = |version: &str| {
        let resources: Vec<Value> = of_version(kinds, group, version).map(aggregated_resource).collect();
        json!({"version": version, "resources": resources, "freshness": "Current"})
    };
    versions(kinds, group).into_iter().map(version).collect()
}

fn aggregated_resource(kind: &Kind) -> Value {
    let response = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let mut out = json!({
        "resource": kind.plural,
        "responseKind": response,
        "scope": if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    });
    name_lists(kind, &mut out);
    if kind.status == Status::Subresource {
        out["subresources"] = json!([{"subresource": "status", "responseKind": response, "verbs": STATUS_VERBS}]);
    }
    out
}

/// The lists of names that are left out when empty.
fn name_lists(kind: &Kind, out: &mut Value) {
    for (field, names) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !names.is_empty() {
            out[field] = json!(names);
        }
    }
}

/// What can be done with objects of this kind. Namespaces are not deleted together.
fn verbs(kind: &Kind) -> Vec<&'static str> {
    let mut verbs = vec!["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    if kind.origin == Origin::BuiltIn && kind.kind == "Namespace" {
        verbs.retain(|verb| *verb != "deletecollection");
    }
    verbs
}

fn describe(kinds: &[Arc<Kind>], name: &str) -> Option<Value> {
    let versions: Vec<Value> = versions(kinds, name)
        .into_iter()
        .filter(|_| !name.is_empty())
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    let preferred = versions.first()?.clone();
    Some(json!({"name": name, "versions": versions, "preferredVersion": preferred}))
}

/// The groups besides the core one: those of the server first, then by name.
fn group_names(kinds: &[Arc<Kind>]) -> Vec<&str> {
    let mut names: Vec<(bool, &str)> =
        kinds.iter().filter(|kind| !kind.group.is_empty()).map(|kind| (kind.origin == Origin::Custom, kind.group.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|(_, name)| name).collect()
}

/// The versions of a group, the best one first.
fn versions<'a>(kinds: &'a [Arc<Kind>], group: &str) -> Vec<&'a str> {
    let mut versions: Vec<&str> = kinds.iter().filter(|kind| kind.group == group).map(|kind| kind.version.as_str()).collect();
    versions.sort_unstable_by_key(|version| priority(version));
    versions.dedup();
    versions
}

/// The kinds of one version of a group.
pub(super) fn of_version<'a>(kinds: &'a [Arc<Kind>], group: &str, version: &str) -> impl Iterator<Item = &'a Kind> {
    kinds.iter().map(Arc::as_ref).filter(move |kind| kind.group == group && kind.version == version)
}

/// The group and version of each kind once, the core group first.
pub(super) fn group_versions(kinds: &[Arc<Kind>]) -> Vec<(&str, &str)> {
    let all = std::iter::once("").chain(group_names(kinds));
    all.flat_map(|group| versions(kinds, group).into_iter().map(move |version| (group, version))).collect()
}

/// What versions are sorted by: stable ones, then betas, then alphas, the newest of each first; what is no such version last, by name.
pub(super) fn priority(version: &str) -> (Reverse<(u8, u64, u64)>, String) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest[..digits].parse().ok()?;
        let (stage, minor) = match &rest[digits..] {
            "" => (3, 0),
            pre => match pre.strip_prefix("beta") {
                Some(minor) => (2, minor.parse().ok()?),
                None => (1, pre.strip_prefix("alpha")?.parse().ok()?),
            },
        };
        Some((stage, major, minor))
    };
    (Reverse(parse().unwrap_or_default()), version.to_owned())
}

#[cfg(test)]
mod tests;
