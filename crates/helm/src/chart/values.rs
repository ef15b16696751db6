//! Values: what a chart's `values.yaml` says, and the files that are merged to take its place.

use headwater_golang::filepath::clean;
use serde_json::{Map, Value};

use super::source::{Kind, Source, located, shown};
use super::{Chart, Error, Limits, Problem};
use headwater_goyaml as yaml;

/// Name of the file with a chart's default values.
pub(super) const FILE: &str = "values.yaml";

/// What becomes of values files that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// They are an error.
    Refused,
    /// They are passed over. Upstream's `ignoreMissingValuesFiles`.
    Ignored,
}

/// Values of several files, the later over the earlier.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merged {
    /// The values.
    pub values: Map<String, Value>,
    /// The files that were there, as they were named.
    pub files: Vec<String>,
}

impl Merged {
    fn add(&mut self, values: Map<String, Value>, file: &str) {
        merge(&mut self.values, values);
        self.files.push(file.to_owned());
    }
}

/// Reads the documents of a values file, the later over the earlier.
pub(super) fn read(text: &[u8], limits: yaml::Limits) -> Result<Map<String, Value>, Problem> {
    let mut values = Map::new();
    let documents = yaml::documents(text, limits).map_err(|error| {
        let doing =
            if matches!(error, yaml::Error::Separator(_)) { "error reading yaml document" } else { "cannot unmarshal yaml document" };
        Problem::from(error).within(doing)
    })?;
    for document in documents {
        if let Value::Object(document) = document {
            merge(&mut values, document);
        }
    }
    Ok(values)
}

/// Reads the first document of a values file; nothing and null are no values.
fn read_one(text: &[u8], limits: yaml::Limits) -> Result<Map<String, Value>, Problem> {
    Ok(yaml::parse_map(text, limits)?)
}

/// Lays `over` over `into`: maps are merged, everything else is replaced.
fn merge(into: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Merges values files of `source`; paths are relative to its root, wherever the chart is.
///
/// # Errors
/// [`Error::ValuesFiles`] where a file is missing and must not be, or holds no values.
pub fn merge_files(source: &impl Source, paths: &[String], absent: Absent, limits: &Limits) -> Result<Merged, Error> {
    let mut merged = Merged::default();
    for named in paths {
        let path = located(named);
        let text = match source.kind(&path).map_err(Error::ValuesFiles)? {
            Some(Kind::File { .. }) => source
                .read(&path, limits.file)
                .map_err(|problem| Error::ValuesFiles(problem.within(format!("could not read values from file '{named}'"))))?,
            None if absent == Absent::Ignored => continue,
            _ => {
                let message = format!("no values file found at path '{}' (reference '{named}')", shown(&path));
                return Err(Error::ValuesFiles(Problem::new(message)));
            }
        };
        merged.add(read_one(&text, limits.yaml).map_err(|problem| Error::ValuesFiles(unmarshaling(named, &problem)))?, named);
    }
    Ok(merged)
}

fn unmarshaling(file: &str, problem: &Problem) -> Problem {
    problem.within(format!("unmarshaling values from '{file}' failed"))
}

impl Chart {
    /// Merges values files that are in the chart, `values.yaml` among them.
    ///
    /// # Errors
    /// [`Error::ValuesFiles`] where a file is missing and must not be, or holds no values.
    pub fn merge_values(&self, paths: &[String], absent: Absent, limits: &Limits) -> Result<Merged, Error> {
        self.merged(paths, absent, limits).map_err(|problem| Error::ValuesFiles(problem.within("failed to merge chart values")))
    }

    fn merged(&self, paths: &[String], absent: Absent, limits: &Limits) -> Result<Merged, Problem> {
        let mut merged = Merged::default();
        for named in paths {
            let path = clean(named);
            if path == FILE {
                merged.add(self.values.clone().unwrap_or_default(), named);
                continue;
            }
            match self.files.iter().find(|file| file.name == path) {
                Some(file) => {
                    let values = read_one(&file.data, limits.yaml).map_err(|problem| unmarshaling(named, &problem))?;
                    merged.add(values, named);
                }
                None if absent == Absent::Ignored => {}
                None => return Err(Problem::new(format!("no values file found at path '{named}'"))),
            }
        }
        Ok(merged)
    }

    /// Makes `values` the chart's defaults. No values at all make `values.yaml` an empty file. Answers whether the file is another now;
    /// where it would be the same, nothing changes.
    ///
    /// # Errors
    /// [`Error::ValuesFiles`] for a chart without `values.yaml`.
    pub fn set_values(&mut self, values: Map<String, Value>) -> Result<bool, Error> {
        let Some(file) = self.raw_values.first_mut() else {
            return Err(Error::ValuesFiles(Problem::new(format!("failed to locate values file: {FILE}"))));
        };
        let values = Value::Object(values);
        let text = if values.as_object().is_some_and(Map::is_empty) {
            String::new()
        } else {
            yaml::print(&values).map_err(|error| Error::ValuesFiles(error.into()))?
        };
        if !text.is_empty() && file.data == text.as_bytes() {
            return Ok(false);
        }
        file.data = text.into_bytes();
        if let Value::Object(values) = values {
            self.values = Some(values);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
