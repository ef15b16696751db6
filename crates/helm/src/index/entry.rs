//! One version of a chart in an index.

use std::collections::BTreeMap;

use headwater_golang::time;

use super::decode::{Any, Decoder, Place};
use super::source::{Event, Kind, Source, Truth};
use super::{Error, text};
use headwater_version::Version;

/// Every field that upstream knows.
const FIELDS: [&str; 25] = [
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
    "urls",
    "created",
    "removed",
    "digest",
    "checksum",
    "engine",
    "tillerVersion",
    "url",
];

/// A version of a chart. Lists that are absent and those that are empty differ.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) home: String,
    pub(super) sources: Option<Vec<String>>,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) keywords: Option<Vec<String>>,
    pub(super) maintainers: Option<Vec<Option<Maintainer>>>,
    pub(super) icon: String,
    pub(super) api_version: String,
    pub(super) condition: String,
    pub(super) tags: String,
    pub(super) app_version: String,
    pub(super) deprecated: Truth,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) kube_version: String,
    pub(super) dependencies: Option<Vec<Option<Dependency>>>,
    pub(super) kind: String,
    pub(super) urls: Option<Vec<String>>,
    pub(super) created: String,
    pub(super) removed: Truth,
    pub(super) digest: String,
    pub(super) checksum: String,
    pub(super) engine: String,
    pub(super) tiller_version: String,
    pub(super) url: String,
}

/// Who maintains a chart.
#[derive(Debug, Default)]
pub(super) struct Maintainer {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) url: String,
}

/// Another chart that a chart needs.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) repository: String,
    pub(super) condition: String,
    pub(super) tags: Option<Vec<String>>,
    pub(super) enabled: Truth,
    pub(super) import_values: Option<Vec<Any>>,
    pub(super) alias: String,
}

impl Default for Dependency {
    fn default() -> Self {
        let none = String::new;
        Self {
            name: none(),
            version: none(),
            repository: none(),
            condition: none(),
            tags: None,
            enabled: Truth::False,
            import_values: None,
            alias: none(),
        }
    }
}

impl Default for Entry {
    fn default() -> Self {
        let none = String::new;
        Self {
            name: none(),
            home: none(),
            sources: None,
            version: none(),
            description: none(),
            keywords: None,
            maintainers: None,
            icon: none(),
            api_version: none(),
            condition: none(),
            tags: none(),
            app_version: none(),
            deprecated: Truth::False,
            annotations: None,
            kube_version: none(),
            dependencies: None,
            kind: none(),
            urls: None,
            created: time::ZERO.to_owned(),
            removed: Truth::False,
            digest: none(),
            checksum: none(),
            engine: none(),
            tiller_version: none(),
            url: none(),
        }
    }
}

impl Entry {
    /// Reads an entry.
    pub(super) fn read<S: Source>(decoder: &mut Decoder<'_, S>, event: Event) -> Result<Self, Error> {
        let mut entry = Self::default();
        decoder.fields(event, "repo.ChartVersion", &FIELDS, |decoder, field| {
            let event = decoder.next()?;
            entry.field(decoder, field, event)
        })?;
        Ok(entry)
    }

    fn field<S: Source>(&mut self, decoder: &mut Decoder<'_, S>, field: &str, event: Event) -> Result<(), Error> {
        let (into, place) = match field {
            "name" => (&mut self.name, Place::Verbatim),
            "home" => (&mut self.home, Place::Verbatim),
            "version" => (&mut self.version, Place::Verbatim),
            "description" => (&mut self.description, Place::Verbatim),
            "icon" => (&mut self.icon, Place::Verbatim),
            "apiVersion" => (&mut self.api_version, Place::Verbatim),
            "condition" => (&mut self.condition, Place::Verbatim),
            "tags" => (&mut self.tags, Place::Verbatim),
            "appVersion" => (&mut self.app_version, Place::Verbatim),
            "kubeVersion" => (&mut self.kube_version, Place::Verbatim),
            "type" => (&mut self.kind, Place::Verbatim),
            "digest" => (&mut self.digest, Place::Converted),
            "checksum" => (&mut self.checksum, Place::Converted),
            "engine" => (&mut self.engine, Place::Converted),
            "tillerVersion" => (&mut self.tiller_version, Place::Converted),
            "url" => (&mut self.url, Place::Converted),
            "sources" => return decoder.strings(event, Place::Verbatim, &mut self.sources),
            "keywords" => return decoder.strings(event, Place::Verbatim, &mut self.keywords),
            "urls" => return decoder.strings(event, Place::Converted, &mut self.urls),
            "annotations" => return decoder.string_map(event, Place::Verbatim, &mut self.annotations),
            "deprecated" => return decoder.boolean(event, &mut self.deprecated),
            "removed" => return decoder.boolean(event, &mut self.removed),
            "created" => return decoder.time(event, &mut self.created),
            "maintainers" => return decoder.list(event, &mut self.maintainers, Maintainer::read),
            _ => return decoder.list(event, &mut self.dependencies, Dependency::read),
        };
        decoder.string(event, place, into)
    }

    /// Cleans the texts and says whether upstream keeps the entry.
    pub(super) fn validate(&mut self) -> bool {
        if self.api_version.is_empty() {
            "v1".clone_into(&mut self.api_version);
        }
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
        texts.into_iter().chain(self.sources.iter_mut().flatten()).chain(self.keywords.iter_mut().flatten()).for_each(text::sanitise);
        let is_plain_name = self.name == "/" || !self.name.contains('/');
        if matches!(self.name.as_str(), "" | "." | "..") || !is_plain_name {
            return false;
        }
        if Version::parse(&self.version).is_err() {
            return false;
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return false;
        }
        self.maintainers.iter_mut().flatten().all(Maintainer::validate) && self.validate_dependencies()
    }

    /// As upstream: what follows a dependency whose name is taken is neither cleaned nor checked, and the entry is kept.
    fn validate_dependencies(&mut self) -> bool {
        let mut names = Vec::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            let Some(dependency) = dependency else { return false };
            if !dependency.validate() {
                return false;
            }
            let name = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
            if names.contains(name) {
                return true;
            }
            names.push(name.clone());
        }
        true
    }
}

impl Maintainer {
    fn read<S: Source>(decoder: &mut Decoder<'_, S>, event: Event, into: &mut Option<Self>) -> Result<(), Error> {
        if event == Event::Scalar(Kind::Null) {
            *into = None;
            return Ok(());
        }
        let maintainer = into.get_or_insert_default();
        decoder.fields(event, "v2.Maintainer", &["name", "email", "url"], |decoder, field| {
            let event = decoder.next()?;
            let into = match field {
                "name" => &mut maintainer.name,
                "email" => &mut maintainer.email,
                _ => &mut maintainer.url,
            };
            decoder.string(event, Place::Verbatim, into)
        })
    }

    fn validate(maintainer: &mut Option<Self>) -> bool {
        maintainer.as_mut().is_some_and(|Self { name, email, url }| {
            [name, email, url].into_iter().for_each(text::sanitise);
            true
        })
    }
}

impl Dependency {
    fn read<S: Source>(decoder: &mut Decoder<'_, S>, event: Event, into: &mut Option<Self>) -> Result<(), Error> {
        if event == Event::Scalar(Kind::Null) {
            *into = None;
            return Ok(());
        }
        let dependency = into.get_or_insert_default();
        let fields = ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
        decoder.fields(event, "v2.Dependency", &fields, |decoder, field| {
            let event = decoder.next()?;
            let into = match field {
                "name" => &mut dependency.name,
                "version" => &mut dependency.version,
                "repository" => &mut dependency.repository,
                "condition" => &mut dependency.condition,
                "alias" => &mut dependency.alias,
                "tags" => return decoder.strings(event, Place::Verbatim, &mut dependency.tags),
                "enabled" => return decoder.boolean(event, &mut dependency.enabled),
                _ => {
                    return decoder.list(event, &mut dependency.import_values, |decoder, event, item| {
                        *item = decoder.any(event)?;
                        Ok(())
                    });
                }
            };
            decoder.string(event, Place::Verbatim, into)
        })
    }

    fn validate(&mut self) -> bool {
        let texts = [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition];
        texts.into_iter().chain(self.tags.iter_mut().flatten()).for_each(text::sanitise);
        self.alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    }
}
