//! Packed charts: gzip around tar, read as Helm reads them and never written anywhere.
//!
//! A link is an empty file here, whatever it points at. Sparse files are refused.

mod entries;

use headwater_golang::filepath::{clean, extension};
use headwater_golang::quote;

use super::load::{Budget, File, from_files};
use super::metadata::api_version;
use super::source::shown;
use super::{Chart, Limits, Metadata, Problem, V1, V2};
use entries::{Entry, GZIP_HEADER, too_large};

impl Metadata {
    /// What a packed chart says about itself, `requirements.yaml` over `Chart.yaml` in the order of the archive. Every entry's name is
    /// checked, but no other file is kept. It is not validated.
    ///
    /// # Errors
    /// An archive beyond its limit, one that is malformed or illegal as a chart, or without a readable `Chart.yaml`.
    pub fn of_archive(bytes: &[u8], limits: &Limits) -> Result<Self, Problem> {
        if bytes.len() as u64 > limits.archive {
            return Err(Problem::new(format!("size of chart exceeds '{}' bytes limit", limits.archive)));
        }
        let mut metadata: Option<Self> = None;
        entries::visit(bytes, &mut Budget::new(limits), |entry, budget| {
            let name = entry_name(&entry, str::to_owned)?;
            budget.bytes = budget.bytes.checked_sub(entry.size).ok_or_else(|| too_large(limits))?;
            let Some(wanted) = name.filter(Name::is_metadata).map(|name| name.written) else { return Ok(()) };
            if entry.size > limits.file {
                return Err(Problem::new(format!("size of '{}' exceeds '{}' bytes limit", entry.name, limits.file)));
            }
            let text = entry.read()?;
            let metadata = metadata.get_or_insert_default();
            metadata.read(&text, limits.yaml).map_err(|problem| problem.within(format!("cannot load '{wanted}'")))?;
            metadata.default_api_version();
            Ok(())
        })?;
        metadata.ok_or_else(|| Problem::new("no 'Chart.yaml' found"))
    }
}

impl Chart {
    /// Loads a packed chart that was downloaded.
    ///
    /// # Errors
    /// Whatever is wrong with it, in upstream's words.
    pub fn from_archive(bytes: &[u8], limits: &Limits) -> Result<Self, Problem> {
        let mut budget = Budget::new(limits);
        from_files(files(bytes, &mut budget)?, &mut budget, limits.depth)
    }
}

/// Loads a packed chart that is the file at `path` of a source. More is asked of it than of one that was downloaded: it must look like an
/// archive, and be of a chart format that is known.
pub(super) fn load_file(path: &str, bytes: &[u8], limits: &Limits) -> Result<Chart, Problem> {
    let path = shown(path);
    if !bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        let message = if matches!(extension(&path), ".yml" | ".yaml") {
            format!("file '{path}' seems to be a YAML file, but expected a gzipped archive")
        } else {
            format!("file '{path}' does not appear to be a gzipped archive; got 'application/octet-stream'")
        };
        return Err(Problem::new(message));
    }
    let mut budget = Budget::new(limits);
    let files = files(bytes, &mut budget).map_err(|problem| {
        if problem.to_string() == GZIP_HEADER {
            Problem::new(format!("file '{path}' does not appear to be a valid chart file (details: {problem})"))
        } else {
            Problem::new("unable to load chart archive")
        }
    })?;
    let chart_yaml = files.iter().find(|file| file.name == "Chart.yaml");
    let chart_yaml = chart_yaml.ok_or_else(|| Problem::new("unable to detect chart version, no Chart.yaml found"))?;
    let version = api_version(&chart_yaml.data, limits.yaml).map_err(|problem| problem.within("cannot load Chart.yaml"))?;
    match version.as_str() {
        "" | V1 | V2 => from_files(files, &mut budget, limits.depth),
        "v3" => Err(Problem::new("only the Chart API v2 is supported")),
        _ => Err(Problem::new("unsupported chart version")),
    }
}

/// The files of a packed chart, in its order.
pub(super) fn files(bytes: &[u8], budget: &mut Budget<'_>) -> Result<Vec<File>, Problem> {
    let mut files = Vec::new();
    entries::visit(bytes, budget, |entry, budget| {
        let Some(name) = entry_name(&entry, quote)? else { return Ok(()) };
        if name.top == "Chart.yaml" {
            return Err(Problem::new("chart yaml not in base directory"));
        }
        if entry.size >= budget.bytes {
            return Err(too_large(budget.limits));
        }
        let limit = budget.limits.packed_file;
        if entry.size > limit {
            let name = quote(&entry.name);
            return Err(Problem::new(format!("decompressed chart file {name} is larger than the maximum file size {limit}")));
        }
        budget.bytes -= entry.size;
        let seconds = entry.seconds;
        files.push(File::loaded(name.path, entry.read()?, seconds));
        Ok(())
    })?;
    if files.is_empty() {
        return Err(Problem::new("no files in chart archive"));
    }
    Ok(files)
}

/// Where an entry belongs.
struct Name {
    /// The folder above it, whose name does not matter.
    top: String,
    /// The path below that, clean.
    path: String,
    /// The path below that, as it is written.
    written: String,
    /// How many elements the name has.
    parts: usize,
}

impl Name {
    /// Whether the file says what chart it is.
    fn is_metadata(&self) -> bool {
        self.parts == 2 && matches!(self.written.as_str(), "Chart.yaml" | "requirements.yaml")
    }
}

/// Checks where an entry would lie; `None` for those that are no files. Messages show names as `show` makes them.
fn entry_name(entry: &Entry, show: fn(&str) -> String) -> Result<Option<Name>, Problem> {
    if entry.is_folder {
        return Ok(None);
    }
    let delimiter = if entry.name.contains('\\') { '\\' } else { '/' };
    let (top, below) = entry.name.split_once(delimiter).unwrap_or((&entry.name, ""));
    let written = below.replace(delimiter, "/");
    if written.starts_with('/') {
        return Err(Problem::new("chart illegally contains absolute paths"));
    }
    let path = clean(&written);
    if path == "." {
        let name = show(&entry.name);
        return Err(Problem::new(format!("chart illegally contains content outside the base directory: {name}")));
    }
    if path.starts_with("..") {
        return Err(Problem::new("chart illegally references parent directory"));
    }
    if path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && path[1..].starts_with(":/") {
        return Err(Problem::new("chart contains illegally named files"));
    }
    Ok(Some(Name { top: top.to_owned(), path, written, parts: entry.name.split(delimiter).count() }))
}

#[cfg(test)]
mod tests;
