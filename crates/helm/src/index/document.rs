//! A whole index.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::Path;

use headwater_golang::{json, time};
use serde_json::Value;

use super::entry::Entry;
use super::json::Json;
use super::shelf::{Shelf, Slot};
use super::write::{Indenter, Object, any, string};
use super::yaml::Yaml;
use super::{Error, Fault, Limits, Summary};
use crate::decode::{Bounds, Decoder, Event, Kind, Place, Source};

/// How many values a version, or another part of an index, may have.
const HELD: usize = 100_000;
/// How much of a file is read at a time, in bytes.
const BUFFER: usize = 64 * 1024;

const FIELDS: [&str; 6] = ["serverInfo", "apiVersion", "generated", "entries", "publicKeys", "annotations"];

/// What is kept of every version besides its text.
pub(super) type Pack = fn(&Entry, &mut Vec<u8>);

/// The versions of each chart; lists and the map itself may be null.
pub(super) type Charts = BTreeMap<String, Option<Vec<Slot>>>;

/// An index whose invalid versions are dropped and whose others are sorted.
pub(super) struct Document {
    server_info: BTreeMap<String, Value>,
    api_version: String,
    generated: String,
    pub(super) entries: Option<Charts>,
    public_keys: Vec<String>,
    annotations: BTreeMap<String, String>,
    pub(super) shelf: Shelf,
    pack: Pack,
    /// How many versions there may be, and how many charts.
    limit: usize,
    versions: usize,
    dropped: usize,
}

impl Document {
    /// Reads an index of JSON or YAML.
    pub(super) fn read(path: &Path, limits: &Limits, pack: Pack) -> Result<Self, Error> {
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.to_owned() });
        }
        if metadata.len() > limits.file {
            return Err(Error::TooLarge { path: path.to_owned(), limit: limits.file });
        }
        if metadata.len() == 0 {
            return Err(Error::Empty);
        }
        let mut file = File::open(path)?;
        let document = match Self::read_json(&file, limits, pack) {
            Err(Fault::Value(problem)) if is_json(&mut file)? => Err(Fault::Value(problem).into()),
            Err(Fault::NotJson | Fault::Value(_)) => {
                file.seek(SeekFrom::Start(0))?;
                Self::read_yaml(&file, limits, pack)
            }
            answer => answer.map_err(Error::from),
        };
        let mut document = document?;
        if document.api_version.is_empty() {
            return Err(Error::NoApiVersion);
        }
        document.sort();
        Ok(document)
    }

    fn new(pack: Pack, limits: &Limits) -> Self {
        Self {
            server_info: BTreeMap::new(),
            api_version: String::new(),
            generated: time::ZERO.to_owned(),
            entries: None,
            public_keys: Vec::new(),
            annotations: BTreeMap::new(),
            shelf: Shelf::default(),
            pack,
            limit: limits.versions,
            versions: 0,
            dropped: 0,
        }
    }

    fn read_json(file: &File, limits: &Limits, pack: Pack) -> Result<Self, Fault> {
        let mut decoder = Decoder::new(Json::new(BufReader::with_capacity(BUFFER, file)), bounds(limits));
        let mut document = Self::new(pack, limits);
        document.decode(&mut decoder)?;
        decoder.source.finish()?;
        Ok(document)
    }

    fn read_yaml(file: &File, limits: &Limits, pack: Pack) -> Result<Self, Error> {
        let mut document = Self::new(pack, limits);
        if let Some(source) = Yaml::open(BufReader::with_capacity(BUFFER, file), limits)? {
            let mut decoder = Decoder::new(source, bounds(limits));
            if let Err(problem) = document.decode(&mut decoder) {
                if matches!(problem, Fault::Value(_)) {
                    decoder.source.exhaust(limits.depth)?;
                }
                return Err(problem.into());
            }
            decoder.source.finish()?;
        }
        Ok(document)
    }

    fn decode<S: Source>(&mut self, decoder: &mut Decoder<S>) -> Result<(), Fault> {
        let event = decoder.next()?;
        if event == Event::Scalar(Kind::Null) {
            return Ok(());
        }
        decoder.fields(event, "repo.IndexFile", &[&FIELDS], |decoder, field, event| match field {
            "serverInfo" => self.server_info(decoder, event),
            "apiVersion" => decoder.string(event, Place::Converted, &mut self.api_version),
            "generated" => decoder.time(event, &mut self.generated),
            "entries" => self.entries(decoder, event),
            "publicKeys" => decoder.strings(event, Place::Converted, &mut self.public_keys),
            _ => decoder.string_map(event, Place::Converted, &mut self.annotations),
        })
    }

    fn server_info<S: Source>(&mut self, decoder: &mut Decoder<S>, event: Event) -> Result<(), Fault> {
        match decoder.any(event)? {
            Value::Null => self.server_info.clear(),
            Value::Object(map) => self.server_info.extend(map),
            _ => return Err(decoder.mismatch(event, "map[string]interface {}")),
        }
        Ok(())
    }

    fn entries<S: Source>(&mut self, decoder: &mut Decoder<S>, event: Event) -> Result<(), Fault> {
        if event == Event::Scalar(Kind::Null) {
            self.entries = None;
            return Ok(());
        }
        self.entries.get_or_insert_default();
        decoder.map(event, "map[string]repo.ChartVersions", |decoder, chart| {
            let event = decoder.next()?;
            let versions = self.versions(decoder, event)?;
            let charts = self.entries.get_or_insert_default();
            charts.insert(chart.to_owned(), versions);
            decoder.held = 0;
            if charts.len() > self.limit {
                return Err(Fault::TooManyVersions { limit: self.limit });
            }
            Ok(())
        })
    }

    /// Reads the versions of a chart and keeps the valid ones.
    fn versions<S: Source>(&mut self, decoder: &mut Decoder<S>, event: Event) -> Result<Option<Vec<Slot>>, Fault> {
        if event == Event::Scalar(Kind::Null) {
            return Ok(None);
        }
        let mut slots = Vec::new();
        decoder.list(event, "repo.ChartVersions", &mut Vec::new(), |decoder, event, ()| {
            decoder.held = 0;
            self.versions += 1;
            if self.versions > self.limit {
                return Err(Fault::TooManyVersions { limit: self.limit });
            }
            if event == Event::Scalar(Kind::Null) {
                slots.push(Slot::default());
                return Ok(());
            }
            let mut entry = Entry::read(decoder, event)?;
            if !entry.validate() {
                self.dropped += 1;
                return Ok(());
            }
            let pack = self.pack;
            let slot = self.shelf.add(&entry.metadata.version, |out| pack(&entry, out));
            slots.push(slot.ok_or(Fault::TooManyVersions { limit: self.limit })?);
            Ok(())
        })?;
        slots.shrink_to_fit();
        Ok(Some(slots))
    }

    /// Sorts every chart. Upstream crashes where a null stands among others; here it is dropped then.
    fn sort(&mut self) {
        self.shelf.close();
        for slots in self.entries.iter_mut().flat_map(BTreeMap::values_mut).flatten() {
            if slots.len() > 1 {
                let before = slots.len();
                slots.retain(|slot| !slot.is_null());
                self.dropped += before - slots.len();
                self.shelf.sort(slots);
            }
        }
    }

    /// Writes the index as upstream stores it; its versions must have been packed as JSON.
    pub(super) fn write(&self, to: &mut dyn io::Write) -> Result<Summary, Error> {
        let mut out = Indenter::new(to);
        let mut head = Vec::new();
        let mut object = Object::begin(&mut head);
        object.some_map("serverInfo", &self.server_info, any);
        object.text("apiVersion", &self.api_version);
        object.text("generated", &self.generated);
        object.key("entries");
        match &self.entries {
            None => head.extend_from_slice(b"null"),
            Some(charts) if charts.is_empty() => head.extend_from_slice(b"{}"),
            Some(charts) => {
                head.push(b'{');
                let mut first = true;
                for (chart, slots) in charts {
                    if !first {
                        head.push(b',');
                    }
                    first = false;
                    json::write_string(chart, &mut head);
                    head.push(b':');
                    self.write_versions(slots.as_deref(), &mut head, &mut out)?;
                }
                head.push(b'}');
            }
        }
        let mut tail = Vec::new();
        let mut object = Object::begin(&mut tail);
        object.some_list("publicKeys", &self.public_keys, string);
        object.some_map("annotations", &self.annotations, string);
        object.end();
        if tail.len() > 2 {
            head.push(b',');
        }
        head.extend_from_slice(tail.get(1..).unwrap_or_default());
        out.piece(&head)?;
        let versions = self.entries.iter().flat_map(BTreeMap::values).flatten().map(Vec::len).sum();
        let charts = self.entries.as_ref().map_or(0, BTreeMap::len);
        Ok(Summary { charts, versions, dropped: self.dropped, bytes: out.finish()? })
    }

    /// Writes what has gathered in `head`, and the versions of a chart, of which only the end may stay in `head`.
    fn write_versions(&self, slots: Option<&[Slot]>, head: &mut Vec<u8>, out: &mut Indenter<'_>) -> Result<(), Error> {
        match slots {
            None => head.extend_from_slice(b"null"),
            Some([]) => head.extend_from_slice(b"[]"),
            Some(slots) => {
                head.push(b'[');
                for (at, slot) in slots.iter().enumerate() {
                    if at > 0 {
                        head.push(b',');
                    }
                    out.piece(head)?;
                    head.clear();
                    let (_, json) = self.shelf.get(*slot);
                    out.piece(if slot.is_null() { b"null" } else { json })?;
                }
                head.push(b']');
            }
        }
        Ok(())
    }
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds { depth: limits.depth, held: HELD }
}

/// Whether a file is JSON from its beginning to its end.
fn is_json(file: &mut File) -> Result<bool, Fault> {
    file.seek(SeekFrom::Start(0))?;
    let mut source = Json::new(BufReader::with_capacity(BUFFER, &*file));
    let mut open = 0_usize;
    loop {
        match source.next() {
            Ok(Event::List | Event::Map) => open += 1,
            Ok(Event::End) => open = open.saturating_sub(1),
            Ok(Event::Scalar(_)) => {}
            Err(Fault::NotJson) => return Ok(false),
            Err(error) => return Err(error),
        }
        if open == 0 {
            break;
        }
    }
    match source.finish() {
        Ok(()) => Ok(true),
        Err(Fault::NotJson) => Ok(false),
        Err(error) => Err(error),
    }
}
