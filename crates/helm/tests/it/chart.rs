//! Packed charts: loaded, merged with values files, and packaged again.

mod downloads;
mod hostile;
mod values;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};

use flate2::read::GzDecoder;
use headwater_helm::chart::{Absent, Chart, Error, Limits, Problem};

/// A chart that was packaged with other values.
struct Packaged {
    /// The archive.
    bytes: Vec<u8>,
    /// The values files that made a difference; none where the values are the chart's own.
    values_files: Vec<String>,
}

/// The reason why a chart was not packaged.
#[derive(Debug)]
enum Refusal {
    /// The chart cannot be loaded.
    Load(Problem),
    /// The values files or the chart cannot be used.
    Build(Error),
}

impl Packaged {
    /// Loads a packed chart, and packages it as another version, with these values files in place of its own values.
    fn of(archive: &[u8], version: &str, files: &[&str], absent: Absent) -> Result<Self, Refusal> {
        let limits = Limits::default();
        let mut chart = Chart::from_archive(archive, &limits).map_err(Refusal::Load)?;
        chart.set_version(version);
        let files: Vec<_> = files.iter().map(|file| (*file).to_owned()).collect();
        let merged = chart.merge_values(&files, absent, &limits).map_err(Refusal::Build)?;
        let values_files = if chart.set_values(merged.values).map_err(Refusal::Build)? { merged.files } else { Vec::new() };
        Ok(Self { bytes: chart.package().map_err(Refusal::Build)?, values_files })
    }

    /// The contents of its files, by their paths.
    fn listing(&self) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(GzDecoder::new(Cursor::new(&self.bytes)));
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let (path, mut content) = (entry.path().unwrap().to_str().unwrap().to_owned(), Vec::new());
            assert!(entry.header().entry_type().is_file(), "{path}");
            entry.read_to_end(&mut content).unwrap();
            (path, content)
        });
        entries.collect()
    }
}
