//! A chart that another depends on.

use serde_json::Value;

use super::{Part, Parts};
use crate::decode::{Decoder, Event, Fault, Kind, Place, Source};

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

impl Dependency {
    /// The alias, or else the name.
    pub fn called(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    /// Whether the chart lies beside the one that depends on it, not in a repository.
    pub fn is_local(&self) -> bool {
        self.repository.is_empty() || self.repository.starts_with("file://")
    }

    /// Reads a list of dependencies over those that are there.
    pub(crate) fn read_list<S: Source>(decoder: &mut Decoder<S>, event: Event, into: &mut Vec<Option<Self>>) -> Result<(), Fault> {
        decoder.list(event, "[]*v2.Dependency", into, Self::read)
    }

    fn read<S: Source>(decoder: &mut Decoder<S>, event: Event, into: &mut Option<Self>) -> Result<(), Fault> {
        if event == Event::Scalar(Kind::Null) {
            *into = None;
            return Ok(());
        }
        let into = into.get_or_insert_default();
        let fields = ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
        decoder.fields(event, "v2.Dependency", &[&fields], |decoder, field, event| {
            let into = match field {
                "name" => &mut into.name,
                "version" => &mut into.version,
                "repository" => &mut into.repository,
                "condition" => &mut into.condition,
                "alias" => &mut into.alias,
                "tags" => return decoder.strings(event, Place::Verbatim, &mut into.tags),
                "enabled" => return decoder.boolean(event, &mut into.enabled),
                _ => {
                    return decoder.list(event, "[]interface {}", &mut into.import_values, |decoder, event, item| {
                        *item = decoder.any(event)?;
                        Ok(())
                    });
                }
            };
            decoder.string(event, Place::Verbatim, into)
        })
    }
}

impl Parts for Dependency {
    fn each<'p>(&'p self, visit: &mut dyn FnMut(&'static str, Part<'p>)) {
        visit("name", Part::Required(&self.name));
        visit("version", Part::Text(&self.version));
        visit("repository", Part::Required(&self.repository));
        visit("condition", Part::Text(&self.condition));
        visit("tags", Part::Texts(&self.tags));
        visit("enabled", Part::Flag(self.enabled));
        visit("import-values", Part::Values(&self.import_values));
        visit("alias", Part::Text(&self.alias));
    }
}
