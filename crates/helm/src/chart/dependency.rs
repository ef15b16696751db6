//! Dependencies: what a chart asks for, what its lock file says, and which of it is missing.

use std::collections::{BTreeMap, BTreeSet};

use headwater_golang::quote;
use headwater_http::printable_url;
use serde_json::{Map, Value};

use super::decode::{self, Place};
use super::metadata::{invalid, put};
use super::source::{Source, shown};
use super::text::joined;
use super::{Chart, Error, Limits, Problem};
use crate::printable::sanitised;
use headwater_version::{Range, Version};

/// A chart that another depends on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    /// Name of the chart.
    pub name: String,
    /// Version or range of versions.
    pub version: String,
    /// URL of the repository; empty or `file://` for a chart beside this one.
    pub repository: String,
    /// Path of the value that enables it.
    pub condition: String,
    /// Tags that enable it.
    pub tags: Vec<String>,
    /// Whether it is loaded.
    pub enabled: bool,
    /// Values to take over from it.
    pub import_values: Vec<Value>,
    /// Name that the chart goes by, if another.
    pub alias: String,
}

/// A dependency whose chart is not below `charts/`.
#[derive(Debug, Clone, PartialEq)]
pub struct Missing {
    /// Name that the chart is to go by: the alias, or else the name.
    pub name: String,
    /// What is asked for.
    pub dependency: Dependency,
}

impl Dependency {
    /// The alias, or else the name.
    pub fn called(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    /// Whether the chart lies beside the one that depends on it, not in a repository.
    pub fn is_local(&self) -> bool {
        self.repository.is_empty() || self.repository.starts_with("file://")
    }

    /// Puts the texts on one line and checks the alias.
    pub(super) fn validate(&mut self) -> Result<(), Problem> {
        for text in [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition].into_iter().chain(&mut self.tags) {
            *text = sanitised(text).into_owned();
        }
        if !self.alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(invalid(format!("dependency {} has disallowed characters in the alias", quote(&self.name))));
        }
        Ok(())
    }

    pub(super) fn decode_list(into: &mut Vec<Option<Self>>, value: &Value, place: &Place) -> Result<(), Problem> {
        decode::list(into, value, place, "[]*v2.Dependency", Self::decode)
    }

    fn decode(into: &mut Option<Self>, value: &Value, place: &Place) -> Result<(), Problem> {
        const FIELDS: [&str; 8] = ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
        let map = match value {
            Value::Null => {
                *into = None;
                return Ok(());
            }
            Value::Object(map) => map,
            _ => return Err(place.mismatch(value, "v2.Dependency")),
        };
        let into = into.get_or_insert_default();
        decode::each_field(map, &FIELDS, |name, value| {
            let place = &place.field("Dependency", name);
            match name {
                "name" => decode::text(&mut into.name, value, place),
                "version" => decode::text(&mut into.version, value, place),
                "repository" => decode::text(&mut into.repository, value, place),
                "condition" => decode::text(&mut into.condition, value, place),
                "tags" => decode::list(&mut into.tags, value, place, "[]string", decode::text),
                "enabled" => decode::flag(&mut into.enabled, value, place),
                "import-values" => decode::list(&mut into.import_values, value, place, "[]interface {}", |slot, value, _| {
                    *slot = decode::loose(value);
                    Ok(())
                }),
                _ => decode::text(&mut into.alias, value, place),
            }
        })
    }

    /// The dependencies as a document lists them.
    pub(super) fn values(list: &[Option<Self>]) -> Vec<Value> {
        list.iter().map(|dependency| dependency.as_ref().map_or(Value::Null, Self::value)).collect()
    }

    fn value(&self) -> Value {
        let mut map = Map::new();
        map.insert("name".to_owned(), Value::from(self.name.as_str()));
        map.insert("repository".to_owned(), Value::from(self.repository.as_str()));
        put(&mut map, "version", self.version.as_str());
        put(&mut map, "condition", self.condition.as_str());
        put(&mut map, "tags", self.tags.clone());
        put(&mut map, "enabled", self.enabled);
        put(&mut map, "import-values", self.import_values.clone());
        put(&mut map, "alias", self.alias.as_str());
        Value::Object(map)
    }
}

impl Missing {
    /// The folder or archive in `source` that a local dependency of the chart at `chart_path` means, clean and within the source.
    fn local_path(&self, chart_path: &str) -> Result<String, Problem> {
        let Dependency { name, repository, .. } = &self.dependency;
        if repository.is_empty() {
            return Ok(joined(chart_path, &format!("charts/{name}")));
        }
        let rest = repository
            .strip_prefix("file://")
            .ok_or_else(|| Problem::new(format!("'{}' is not a local chart reference", printable_url(repository))))?;
        let written = written_path(rest).map_err(|escape| {
            let printed = printable_url(repository);
            // It may be a part of a password.
            let escape = if printed.contains(escape) { format!(" {}", quote(escape)) } else { String::new() };
            let url = quote(&printed);
            Problem::new(format!("failed to parse alleged local chart reference: parse {url}: invalid URL escape{escape}"))
        })?;
        Ok(joined(chart_path, &written))
    }

    /// Loads the chart of a local dependency of the chart at `chart_path`, and checks that its version is in the range asked for.
    fn load_local(&self, source: &impl Source, chart_path: &str, limits: &Limits) -> Result<Chart, Problem> {
        let Dependency { version, repository, .. } = &self.dependency;
        let path = self.local_path(chart_path)?;
        if source.kind(&path)?.is_none() {
            return Err(Problem::new(format!("no chart found at '{}' (reference '{}')", shown(&path), printable_url(repository))));
        }
        let range =
            Range::parse(version).map_err(|error| Problem::new(format!("invalid version/constraint format '{version}': {error}")))?;
        let chart = Chart::load(source, &path, limits).map_err(|problem| {
            let reference = printable_url(repository);
            problem.within(format!("failed to load chart from '{}' (reference '{reference}')", shown(&path)))
        })?;
        let found = Version::parse(&chart.metadata.version).map_err(|error| Problem::new(error.to_string()))?;
        if !range.matches(&found) {
            return Err(Problem::new(format!("can't get a valid version for constraint '{version}'")));
        }
        Ok(chart)
    }
}

impl Chart {
    /// The dependencies that are asked for and not there, by name; those of the lock file where there is one.
    ///
    /// As upstream, none is missing where there are as many charts as dependencies, whatever they are called.
    pub fn missing(&self) -> Vec<Missing> {
        let none = Vec::new();
        let wanted = match &self.lock {
            Some(lock) => lock.dependencies.as_ref().unwrap_or(&none),
            None => &self.metadata.dependencies,
        };
        if wanted.len() == self.dependencies.len() {
            return Vec::new();
        }
        let there: BTreeSet<&str> = self.dependencies.iter().map(Chart::name).collect();
        let mut missing = BTreeMap::new();
        for dependency in wanted.iter().flatten() {
            if !there.contains(dependency.called()) {
                missing.insert(dependency.called().to_owned(), dependency.clone());
            }
        }
        missing.into_iter().map(|(name, dependency)| Missing { name, dependency }).collect()
    }

    /// Adds the chart of a dependency, under its alias if it has one.
    pub fn add(&mut self, mut chart: Chart, alias: &str) {
        if !alias.is_empty() {
            alias.clone_into(&mut chart.metadata.name);
        }
        self.dependencies.push(chart);
    }

    /// Adds a local dependency of this chart, which lies at `chart_path` in `source`. What that chart depends on itself is not looked for.
    ///
    /// # Errors
    /// [`Error::DependencyBuild`] where there is no such chart, where it cannot be loaded or has another version.
    pub fn add_local(&mut self, source: &impl Source, chart_path: &str, missing: &Missing, limits: &Limits) -> Result<(), Error> {
        let chart = missing
            .load_local(source, chart_path, limits)
            .map_err(|problem| Error::DependencyBuild(problem.within(format!("failed to add local dependency '{}'", missing.name))))?;
        self.add(chart, &missing.dependency.alias);
        Ok(())
    }
}

/// Host and path of what follows `file://`, one after the other and the path's escapes decoded; or the escape that is none.
fn written_path(rest: &str) -> Result<String, &str> {
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let escape_at = |text: &'_ str, sound: fn(&[u8]) -> bool| {
        let mut escapes = text.match_indices('%').map(|(at, _)| (at, text.as_bytes().get(at + 1..at + 3).unwrap_or_default()));
        escapes.find(|(_, digits)| !sound(digits)).map(|(at, _)| at)
    };
    if let Some(at) = escape_at(host, |_| false) {
        return Err(host.get(at..at + 3).unwrap_or(&host[at..]));
    }
    if let Some(at) = escape_at(path, |digits| digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)) {
        return Err(path.get(at..at + 3).unwrap_or(&path[at..]));
    }
    Ok(format!("{host}{}", percent_encoding::percent_decode_str(path).decode_utf8_lossy()))
}

#[cfg(test)]
mod tests;
