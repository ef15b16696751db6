//! One version of a chart in an index: what the chart says of itself, and where it is.

use headwater_golang::time;

use crate::chart::metadata::{Invalid, Metadata};
use crate::decode::{Decoder, Event, Fault, Place, Source};

/// The fields that a version has beside [`Metadata::FIELDS`].
const FIELDS: [&str; 8] = ["urls", "created", "removed", "digest", "checksum", "engine", "tillerVersion", "url"];

/// A version of a chart.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) metadata: Metadata,
    /// Where its archive is. A list that is absent and one that is empty differ.
    pub(super) urls: Option<Vec<String>>,
    pub(super) created: String,
    pub(super) removed: bool,
    pub(super) digest: String,
    pub(super) checksum: String,
    pub(super) engine: String,
    pub(super) tiller_version: String,
    pub(super) url: String,
}

impl Default for Entry {
    fn default() -> Self {
        let none = String::new;
        Self {
            metadata: Metadata::default(),
            urls: None,
            created: time::ZERO.to_owned(),
            removed: false,
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
    pub(super) fn read<S: Source>(decoder: &mut Decoder<S>, event: Event) -> Result<Self, Fault> {
        let mut entry = Self::default();
        decoder.fields(event, "repo.ChartVersion", &[&Metadata::FIELDS, &FIELDS], |decoder, field, event| {
            let into = match field {
                "digest" => &mut entry.digest,
                "checksum" => &mut entry.checksum,
                "engine" => &mut entry.engine,
                "tillerVersion" => &mut entry.tiller_version,
                "url" => &mut entry.url,
                "urls" => return decoder.some_strings(event, Place::Converted, &mut entry.urls),
                "removed" => return decoder.boolean(event, &mut entry.removed),
                "created" => return decoder.time(event, &mut entry.created),
                field => return entry.metadata.field(decoder, field, event),
            };
            decoder.string(event, Place::Converted, into)
        })?;
        Ok(entry)
    }

    /// Cleans the texts and says whether upstream keeps the entry.
    pub(super) fn validate(&mut self) -> bool {
        self.metadata.default_api_version();
        matches!(self.metadata.check(), Ok(()) | Err(Invalid::SameName(_)))
    }
}
