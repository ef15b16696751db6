//! What charts say of themselves, in their `Chart.yaml` and in an index: the same Go type.

mod dependency;
mod parts;
mod validate;

use std::collections::BTreeMap;

pub use dependency::Dependency;
pub(crate) use parts::{Part, Parts, value};
pub(crate) use validate::Invalid;

use super::Problem;
use crate::decode::{Decoder, Event, Fault, Kind, Place, Source};
use headwater_goyaml as yaml;

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
    /// The names of the fields.
    pub(crate) const FIELDS: [&str; 17] = [
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
        let mut decoder = Decoder::of_tree(&value);
        match decoder.next()? {
            Event::Scalar(Kind::Null) => Ok(()),
            event => Ok(decoder.fields(event, "v2.Metadata", &[&Self::FIELDS], |decoder, field, event| self.field(decoder, field, event))?),
        }
    }

    /// Sets the `apiVersion` where there is none.
    pub(crate) fn default_api_version(&mut self) {
        if self.api_version.is_empty() {
            V1.clone_into(&mut self.api_version);
        }
    }

    /// Reads one of [`Metadata::FIELDS`].
    pub(crate) fn field<S: Source>(&mut self, decoder: &mut Decoder<S>, field: &str, event: Event) -> Result<(), Fault> {
        let into = match field {
            "name" => &mut self.name,
            "home" => &mut self.home,
            "version" => &mut self.version,
            "description" => &mut self.description,
            "icon" => &mut self.icon,
            "apiVersion" => &mut self.api_version,
            "condition" => &mut self.condition,
            "tags" => &mut self.tags,
            "appVersion" => &mut self.app_version,
            "kubeVersion" => &mut self.kube_version,
            "sources" => return decoder.strings(event, Place::Verbatim, &mut self.sources),
            "keywords" => return decoder.strings(event, Place::Verbatim, &mut self.keywords),
            "annotations" => return decoder.string_map(event, Place::Verbatim, &mut self.annotations),
            "deprecated" => return decoder.boolean(event, &mut self.deprecated),
            "maintainers" => return decoder.list(event, "[]*v2.Maintainer", &mut self.maintainers, Maintainer::read),
            "dependencies" => return Dependency::read_list(decoder, event, &mut self.dependencies),
            _ => &mut self.kind,
        };
        decoder.string(event, Place::Verbatim, into)
    }

    /// The document that [`Metadata::parse`] reads, without what is empty, its keys sorted.
    ///
    /// # Errors
    /// A text that YAML cannot hold.
    pub fn print(&self) -> Result<String, Problem> {
        Ok(yaml::print(&value(self))?)
    }
}

impl Parts for Metadata {
    fn each<'p>(&'p self, visit: &mut dyn FnMut(&'static str, Part<'p>)) {
        visit("name", Part::Text(&self.name));
        visit("home", Part::Text(&self.home));
        visit("sources", Part::Texts(&self.sources));
        visit("version", Part::Text(&self.version));
        visit("description", Part::Text(&self.description));
        visit("keywords", Part::Texts(&self.keywords));
        visit("maintainers", Part::nodes(&self.maintainers));
        visit("icon", Part::Text(&self.icon));
        visit("apiVersion", Part::Text(&self.api_version));
        visit("condition", Part::Text(&self.condition));
        visit("tags", Part::Text(&self.tags));
        visit("appVersion", Part::Text(&self.app_version));
        visit("deprecated", Part::Flag(self.deprecated));
        visit("annotations", Part::Map(&self.annotations));
        visit("kubeVersion", Part::Text(&self.kube_version));
        visit("dependencies", Part::nodes(&self.dependencies));
        visit("type", Part::Text(&self.kind));
    }
}

impl Maintainer {
    fn read<S: Source>(decoder: &mut Decoder<S>, event: Event, into: &mut Option<Self>) -> Result<(), Fault> {
        if event == Event::Scalar(Kind::Null) {
            *into = None;
            return Ok(());
        }
        let into = into.get_or_insert_default();
        decoder.fields(event, "v2.Maintainer", &[&["name", "email", "url"]], |decoder, field, event| {
            let field = match field {
                "name" => &mut into.name,
                "email" => &mut into.email,
                _ => &mut into.url,
            };
            decoder.string(event, Place::Verbatim, field)
        })
    }
}

impl Parts for Maintainer {
    fn each<'p>(&'p self, visit: &mut dyn FnMut(&'static str, Part<'p>)) {
        visit("name", Part::Text(&self.name));
        visit("email", Part::Text(&self.email));
        visit("url", Part::Text(&self.url));
    }
}

/// The `apiVersion` of a `Chart.yaml`, of which nothing else is looked at; empty where there is none.
pub(super) fn api_version(text: &[u8], limits: yaml::Limits) -> Result<String, Problem> {
    let value = yaml::parse_typed(text, limits)?;
    let mut decoder = Decoder::of_tree(&value);
    let mut version = String::new();
    match decoder.next()? {
        Event::Scalar(Kind::Null) => {}
        event => decoder.fields(event, "loader.chartBase", &[&["apiVersion"]], |decoder, _, event| {
            decoder.string(event, Place::Verbatim, &mut version)
        })?,
    }
    Ok(version)
}

#[cfg(test)]
mod tests;
