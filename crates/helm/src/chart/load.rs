//! Charts out of their files.

use std::collections::BTreeMap;

use headwater_golang::filepath::{base, extension};

use super::lock::Lock;
use super::source::{self, Kind, Source, located, shown, shown_folder};
use super::text::joined;
use super::{Chart, Limits, Metadata, Problem, V1, archive, values};

/// A file of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct File {
    /// Path below the chart's folder.
    pub(super) name: String,
    /// Contents, without a byte order mark.
    pub(super) data: Vec<u8>,
    /// When it was changed, in seconds since 1970.
    pub(super) seconds: i64,
}

impl File {
    /// A file as it was read; a byte order mark is taken off.
    pub(super) fn loaded(name: String, mut data: Vec<u8>, seconds: i64) -> Self {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if data.starts_with(MARK) {
            data.drain(..MARK.len());
        }
        Self { name, data, seconds }
    }
}

/// What is left of the limits that a chart shares with its subcharts.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    pub(super) limits: &'a Limits,
    /// Bytes of files.
    pub(super) bytes: u64,
    /// Files.
    pub(super) entries: usize,
    charts: usize,
}

impl<'a> Budget<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, bytes: limits.total, entries: limits.entries, charts: limits.charts }
    }
}

impl Metadata {
    /// What the chart at `path` says about itself: a folder with a `Chart.yaml`, or an archive.
    ///
    /// # Errors
    /// Nothing there, a file beyond its limit, no `Chart.yaml`, or one that is malformed. It is not validated.
    pub fn of(source: &impl Source, path: &str, limits: &Limits) -> Result<Self, Problem> {
        let path = located(path);
        match source.kind(&path)? {
            None => Err(Problem::new(format!("stat {}: no such file or directory", shown(&path)))),
            Some(Kind::Folder) => Self::of_folder(source, &path, limits),
            Some(Kind::File { size }) => Self::of_archive(&packed(source, &path, size, limits)?, limits),
        }
    }

    fn of_folder(source: &impl Source, folder: &str, limits: &Limits) -> Result<Self, Problem> {
        let path = joined(folder, "Chart.yaml");
        let text = match source.kind(&path)? {
            None => return Err(Problem::new(format!("open {}: no such file or directory", shown(&path)))),
            Some(Kind::Folder) => return Err(Problem::new(format!("read {}: is a directory", shown(&path)))),
            Some(Kind::File { size }) => small(source, &path, size, limits)?,
        };
        let mut metadata = Self::parse(&text, limits.yaml).map_err(|problem| problem.within("cannot load 'Chart.yaml'"))?;
        let path = joined(folder, "requirements.yaml");
        match source.kind(&path)? {
            None => {}
            Some(Kind::Folder) => return Err(Problem::new("'requirements.yaml' is a directory")),
            Some(Kind::File { size }) => {
                let text = small(source, &path, size, limits)?;
                metadata.read(&text, limits.yaml).map_err(|problem| problem.within("cannot load 'requirements.yaml'"))?;
            }
        }
        Ok(metadata)
    }
}

impl Chart {
    /// Loads the chart at `path`: a folder, without what its `.helmignore` leaves out, or an archive.
    ///
    /// # Errors
    /// Whatever is wrong with it, in upstream's words.
    pub fn load(source: &impl Source, path: &str, limits: &Limits) -> Result<Self, Problem> {
        let path = located(path);
        match source.kind(&path)? {
            None => Err(Problem::new(format!("lstat {}: no such file or directory", shown(&path)))),
            Some(Kind::File { size }) => archive::load_file(&path, &packed(source, &path, size, limits)?, limits),
            Some(Kind::Folder) => {
                let files = source::files(source, &path, limits)?;
                from_files(files, &mut Budget::new(limits), limits.depth)
                    .map_err(|problem| problem.within(format!("failed to load chart from {}", shown_folder(&path))))
            }
        }
    }
}

/// Reads a packed chart within its limit.
fn packed(source: &impl Source, path: &str, size: u64, limits: &Limits) -> Result<Vec<u8>, Problem> {
    if size > limits.archive {
        return Err(Problem::new(format!("size of chart '{}' exceeds '{}' bytes limit", base(path), limits.archive)));
    }
    source.read(path, limits.archive)
}

/// Reads a file of metadata within its limit.
fn small(source: &impl Source, path: &str, size: u64, limits: &Limits) -> Result<Vec<u8>, Problem> {
    if size > limits.file {
        return Err(Problem::new(format!("size of '{}' exceeds '{}' bytes limit", base(path), limits.file)));
    }
    source.read(path, limits.file)
}

/// A chart out of its files, `depth` levels of subcharts at most.
pub(super) fn from_files(files: Vec<File>, budget: &mut Budget, depth: usize) -> Result<Chart, Problem> {
    let yaml = budget.limits.yaml;
    budget.charts = budget.charts.checked_sub(1).ok_or_else(|| Problem::new("chart has too many subcharts"))?;
    let depth = depth.checked_sub(1).ok_or_else(|| Problem::new("chart has subcharts within subcharts beyond the limit"))?;

    let mut metadata: Option<Metadata> = None;
    let mut seconds = 0;
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        let metadata = metadata.get_or_insert_default();
        metadata.read(&file.data, yaml).map_err(|problem| problem.within("cannot load Chart.yaml"))?;
        metadata.default_api_version();
        seconds = file.seconds;
    }
    let mut chart = Chart {
        metadata: Metadata::default(),
        lock: None,
        values: None,
        raw_values: Vec::new(),
        schema: None,
        templates: Vec::new(),
        files: Vec::new(),
        dependencies: Vec::new(),
        seconds,
    };
    let mut subcharts: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => {
                chart.lock = Lock::parse(&file.data, yaml).map_err(|problem| problem.within("cannot load Chart.lock"))?;
            }
            "values.yaml" => {
                chart.values = Some(values::read(&file.data, yaml).map_err(|problem| problem.within("cannot load values.yaml"))?);
                chart.raw_values.push(file);
            }
            "values.schema.json" => chart.schema = Some(file),
            "requirements.yaml" => {
                let metadata = metadata.get_or_insert_default();
                metadata.read(&file.data, yaml).map_err(|problem| problem.within("cannot load requirements.yaml"))?;
                if metadata.api_version == V1 {
                    chart.files.push(file);
                }
            }
            "requirements.lock" => {
                chart.lock = Lock::parse(&file.data, yaml).map_err(|problem| problem.within("cannot load requirements.lock"))?;
                if metadata.get_or_insert_default().api_version == V1 {
                    chart.files.push(file);
                }
            }
            name if name.starts_with("templates/") => chart.templates.push(file),
            name => match name.strip_prefix("charts/").filter(|_| extension(name) != ".prov") {
                Some(below) => {
                    let below = below.to_owned();
                    let top = below.split('/').next().unwrap_or_default().to_owned();
                    subcharts.entry(top).or_default().push(File { name: below, ..file });
                }
                None => chart.files.push(file),
            },
        }
    }
    chart.metadata = metadata.ok_or_else(|| Problem::new("Chart.yaml file is missing"))?;
    chart.metadata.validate()?;
    for (top, files) in subcharts.into_iter().filter(|(top, _)| !top.starts_with(['_', '.'])) {
        let subchart = subchart(&top, files, chart.name(), budget, depth)?;
        chart.dependencies.push(subchart);
    }
    Ok(chart)
}

/// The subchart called `top` below the `charts/` of `parent`: an archive, or a folder of that name.
fn subchart(top: &str, files: Vec<File>, parent: &str, budget: &mut Budget, depth: usize) -> Result<Chart, Problem> {
    let loaded = if extension(top) == ".tgz" {
        let file = files.into_iter().next().unwrap_or_default();
        if file.name != top {
            return Err(Problem::new(format!("error unpacking subchart tar in {parent}: expected {top}, got {}", file.name)));
        }
        archive::files(&file.data, budget).and_then(|files| from_files(files, budget, depth))
    } else {
        let below = files.into_iter().filter_map(|file| {
            let (_, name) = file.name.split_once('/')?;
            Some(File { name: name.to_owned(), ..file })
        });
        from_files(below.collect(), budget, depth)
    };
    loaded.map_err(|problem| problem.within(format!("error unpacking subchart {top} in {parent}")))
}

#[cfg(test)]
pub(super) mod tests;
