//! `Chart.yaml` and `requirements.yaml`: what a chart is called, and what it depends on.

use std::collections::{BTreeMap, BTreeSet};

use headwater_golang::filepath::base;
use headwater_golang::quote;
use serde_json::{Map, Value};

use super::Problem;
use super::decode::{self, Place};
use super::dependency::Dependency;
use crate::printable::sanitised;
use headwater_goyaml as yaml;
use headwater_version::Version;

/// The `apiVersion` of charts whose dependencies are in `requirements.yaml`; also what a chart without one is taken for.
pub const V1: &str = "v1";
/// The `apiVersion` of charts whose dependencies are in `Chart.yaml`.
pub const V2: &str = "v2";

/// The contents of a `Chart.yaml`. Empty text stands for what is not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Name of the chart.
    pub name: String,
    /// URL of the project.
    pub home: String,
    /// URLs of the sources.
    pub sources: Vec<String>,
    /// Version of the chart.
    pub version: String,
    /// One sentence about the chart.
    pub description: String,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Who looks after it; `None` for an empty node, which is invalid.
    pub maintainers: Vec<Option<Maintainer>>,
    /// URL of an icon.
    pub icon: String,
    /// Version of the chart format.
    pub api_version: String,
    /// Path of the value that enables the chart.
    pub condition: String,
    /// Tags that enable the chart.
    pub tags: String,
    /// Version of the application inside.
    pub app_version: String,
    /// Whether the chart is no longer to be used.
    pub deprecated: bool,
    /// What others put there.
    pub annotations: BTreeMap<String, String>,
    /// Range of Kubernetes versions that the chart runs on.
    pub kube_version: String,
    /// Charts that this one depends on; `None` for an empty node, which is invalid.
    pub dependencies: Vec<Option<Dependency>>,
    /// `application`, `library` or nothing.
    pub kind: String,
}

/// Somebody who looks after a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// Name of a person or organisation.
    pub name: String,
    /// Address to write to.
    pub email: String,
    /// Address to visit.
    pub url: String,
}

impl Metadata {
    /// Reads a `Chart.yaml`; a chart without `apiVersion` is of [`V1`].
    ///
    /// # Errors
    /// What is no YAML or not of the right types, in the words of Helm's loader.
    pub fn parse(text: &[u8], limits: yaml::Limits) -> Result<Self, Problem> {
        let mut metadata = Self::default();
        metadata.read(text, limits)?;
        metadata.default_api_version();
        Ok(metadata)
    }

    /// Reads a document over what is known already, as a `requirements.yaml` is read over the `Chart.yaml`.
    pub(super) fn read(&mut self, text: &[u8], limits: yaml::Limits) -> Result<(), Problem> {
        let value = yaml::parse_typed(text, limits)?;
        self.decode(&value).map_err(|problem| decode::decoding(&problem))
    }

    /// Sets the `apiVersion` where there is none.
    pub(super) fn default_api_version(&mut self) {
        if self.api_version.is_empty() {
            V1.clone_into(&mut self.api_version);
        }
    }

    fn decode(&mut self, value: &Value) -> Result<(), Problem> {
        const FIELDS: [&str; 17] = [
            "name",
            "home",
            "sources",
            "version",
            "description",
            "keywords",
            "maintainers",
            "icon",
            "apiVersion",
            "condition",
            "tags",
            "appVersion",
            "deprecated",
            "annotations",
            "kubeVersion",
            "dependencies",
            "type",
        ];
        let map = match value {
            Value::Null => return Ok(()),
            Value::Object(map) => map,
            _ => return Err(Place::top().mismatch(value, "v2.Metadata")),
        };
        decode::each_field(map, &FIELDS, |name, value| {
            let place = &Place::top().field("Metadata", name);
            match name {
                "name" => decode::text(&mut self.name, value, place),
                "home" => decode::text(&mut self.home, value, place),
                "sources" => decode::list(&mut self.sources, value, place, "[]string", decode::text),
                "version" => decode::text(&mut self.version, value, place),
                "description" => decode::text(&mut self.description, value, place),
                "keywords" => decode::list(&mut self.keywords, value, place, "[]string", decode::text),
                "maintainers" => decode::list(&mut self.maintainers, value, place, "[]*v2.Maintainer", Maintainer::decode),
                "icon" => decode::text(&mut self.icon, value, place),
                "apiVersion" => decode::text(&mut self.api_version, value, place),
                "condition" => decode::text(&mut self.condition, value, place),
                "tags" => decode::text(&mut self.tags, value, place),
                "appVersion" => decode::text(&mut self.app_version, value, place),
                "deprecated" => decode::flag(&mut self.deprecated, value, place),
                "annotations" => decode::texts(&mut self.annotations, value, place),
                "kubeVersion" => decode::text(&mut self.kube_version, value, place),
                "dependencies" => Dependency::decode_list(&mut self.dependencies, value, place),
                _ => decode::text(&mut self.kind, value, place),
            }
        })
    }

    /// Puts every text on one line and checks what Helm checks of a chart.
    ///
    /// # Errors
    /// What is missing or invalid, beginning with `validation: `.
    pub fn validate(&mut self) -> Result<(), Problem> {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        for text in texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords) {
            *text = sanitised(text).into_owned();
        }
        if self.api_version.is_empty() {
            return Err(invalid("chart.metadata.apiVersion is required"));
        }
        if self.name.is_empty() {
            return Err(invalid("chart.metadata.name is required"));
        }
        if self.name == "." || self.name == ".." {
            return Err(invalid(format!("chart.metadata.name {} is not allowed", quote(&self.name))));
        }
        if self.name != base(&self.name) {
            return Err(invalid(format!("chart.metadata.name {} is invalid", quote(&self.name))));
        }
        if self.version.is_empty() {
            return Err(invalid("chart.metadata.version is required"));
        }
        if Version::parse(&self.version).is_err() {
            return Err(invalid(format!("chart.metadata.version {} is invalid", quote(&self.version))));
        }
        if !["", "application", "library"].contains(&self.kind.as_str()) {
            return Err(invalid("chart.metadata.type must be application or library"));
        }
        for maintainer in &mut self.maintainers {
            let maintainer = maintainer.as_mut().ok_or_else(|| invalid("maintainers must not contain empty or null nodes"))?;
            for text in [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url] {
                *text = sanitised(text).into_owned();
            }
        }
        let mut names = BTreeSet::new();
        for dependency in &mut self.dependencies {
            let dependency = dependency.as_mut().ok_or_else(|| invalid("dependencies must not contain empty or null nodes"))?;
            dependency.validate()?;
            if !names.insert(dependency.called()) {
                return Err(invalid(format!("more than one dependency with name or alias {}", quote(dependency.called()))));
            }
        }
        Ok(())
    }

    /// The document that [`Metadata::parse`] reads, without what is empty, its keys sorted.
    ///
    /// # Errors
    /// A text that YAML cannot hold.
    pub fn print(&self) -> Result<String, Problem> {
        Ok(yaml::print(&self.value())?)
    }

    fn value(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [
            ("name", &self.name),
            ("home", &self.home),
            ("version", &self.version),
            ("description", &self.description),
            ("icon", &self.icon),
            ("apiVersion", &self.api_version),
            ("condition", &self.condition),
            ("tags", &self.tags),
            ("appVersion", &self.app_version),
            ("kubeVersion", &self.kube_version),
            ("type", &self.kind),
        ] {
            put(&mut map, key, text.as_str());
        }
        put(&mut map, "sources", self.sources.clone());
        put(&mut map, "keywords", self.keywords.clone());
        put(
            &mut map,
            "maintainers",
            self.maintainers.iter().map(|m| m.as_ref().map_or(Value::Null, Maintainer::value)).collect::<Vec<_>>(),
        );
        put(&mut map, "dependencies", Dependency::values(&self.dependencies));
        put(&mut map, "annotations", self.annotations.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect::<Map<_, _>>());
        put(&mut map, "deprecated", self.deprecated);
        Value::Object(map)
    }
}

impl Maintainer {
    fn decode(into: &mut Option<Self>, value: &Value, place: &Place) -> Result<(), Problem> {
        let map = match value {
            Value::Null => {
                *into = None;
                return Ok(());
            }
            Value::Object(map) => map,
            _ => return Err(place.mismatch(value, "v2.Maintainer")),
        };
        let into = into.get_or_insert_default();
        decode::each_field(map, &["name", "email", "url"], |name, value| {
            let field = match name {
                "name" => &mut into.name,
                "email" => &mut into.email,
                _ => &mut into.url,
            };
            decode::text(field, value, &place.field("Maintainer", name))
        })
    }

    fn value(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [("name", &self.name), ("email", &self.email), ("url", &self.url)] {
            put(&mut map, key, text.as_str());
        }
        Value::Object(map)
    }
}

/// The `apiVersion` of a `Chart.yaml`, of which nothing else is looked at; empty where there is none.
pub(super) fn api_version(text: &[u8], limits: yaml::Limits) -> Result<String, Problem> {
    let mut version = String::new();
    let decoded = match yaml::parse_typed(text, limits)? {
        Value::Null => Ok(()),
        Value::Object(map) => decode::each_field(&map, &["apiVersion"], |name, value| {
            decode::text(&mut version, value, &Place::top().field("chartBase", name))
        }),
        other => Err(Place::top().mismatch(&other, "loader.chartBase")),
    };
    decoded.map_err(|problem| decode::decoding(&problem))?;
    Ok(version)
}

/// What Helm calls a validation error.
pub(super) fn invalid(what: impl AsRef<str>) -> Problem {
    Problem::new(format!("validation: {}", what.as_ref()))
}

/// Adds `value` unless it is what Go's `omitempty` leaves away.
pub(super) fn put(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    let value = value.into();
    let empty = match &value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(_) => false,
    };
    if !empty {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
