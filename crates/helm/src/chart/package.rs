//! Charts into archives, entry by entry as Helm writes them, and without a clock.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use headwater_golang::filepath::{base, clean};
use headwater_golang::quote;
use serde::de::IgnoredAny;
use tar::{Builder, EntryType, Header};

use super::load::File;
use super::{Chart, Error, Problem, V1, V2};

/// What Helm puts into the extra field of the gzip header.
const MARK: &[u8] = b"+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";

impl Chart {
    /// The chart as an archive. The same chart gives the same bytes: dependencies are sorted by name, and entries have the times of the
    /// files that were loaded, or none.
    ///
    /// # Errors
    /// [`Error::ChartPackage`] where the chart is invalid, a subchart has no usable name, or `values.schema.json` is no JSON.
    pub fn package(&mut self) -> Result<Vec<u8>, Error> {
        let wrapped = |problem: Problem| Error::ChartPackage(problem.within("failed to package chart"));
        self.metadata.validate().map_err(|problem| wrapped(problem.within("chart validation")))?;
        let gzip = GzBuilder::new().extra(MARK).comment("Helm").mtime(0).operating_system(255).write(Vec::new(), Compression::new(6));
        let mut archive = Builder::new(gzip);
        self.write(&mut archive, "").map_err(wrapped)?;
        let packed = archive.into_inner().and_then(flate2::write::GzEncoder::finish);
        packed.map_err(|error| wrapped(Problem::new(error.to_string())))
    }

    fn write(&self, archive: &mut Builder<impl Write>, prefix: &str) -> Result<(), Problem> {
        let name = self.name();
        if base(name) != name {
            return Err(Problem::new(format!("{} is not a valid chart name", quote(name))));
        }
        let folder = clean(&format!("{prefix}{name}"));
        let mut put = |name: &str, data: &[u8], seconds: i64| append(archive, &clean(&format!("{folder}/{name}")), data, seconds);
        let mut metadata = self.metadata.clone();
        if metadata.api_version == V1 {
            metadata.dependencies.clear();
        }
        put("Chart.yaml", metadata.print()?.as_bytes(), self.seconds)?;
        if let Some(lock) = self.lock.as_ref().filter(|_| metadata.api_version == V2) {
            put("Chart.lock", lock.print()?.as_bytes(), lock.seconds())?;
        }
        for File { name, data, seconds } in &self.raw_values {
            put(name, data, *seconds)?;
        }
        if let Some(File { name, data, seconds }) = &self.schema {
            if serde_json::from_slice::<IgnoredAny>(data).is_err() {
                return Err(Problem::new("invalid JSON in values.schema.json"));
            }
            put(name, data, *seconds)?;
        }
        for File { name, data, seconds } in self.templates.iter().chain(&self.files) {
            put(name, data, *seconds)?;
        }
        let mut dependencies: Vec<&Chart> = self.dependencies.iter().collect();
        dependencies.sort_by_key(|chart| chart.name());
        dependencies.into_iter().try_for_each(|chart| chart.write(archive, &format!("{folder}/charts/")))
    }
}

/// Adds a file of mode 0644 that belongs to nobody.
fn append(archive: &mut Builder<impl Write>, name: &str, data: &[u8], seconds: i64) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::new(error.to_string());
    let mut header = Header::new_ustar();
    if !name.is_ascii() || header.set_path(name).is_err() {
        archive.append_pax_extensions([("path", name.as_bytes())]).map_err(failed)?;
        let field = &mut header.as_old_mut().name;
        field.fill(0);
        for (slot, byte) in field.iter_mut().zip(name.bytes().filter(u8::is_ascii)) {
            *slot = byte;
        }
    }
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(EntryType::Regular);
    header.set_mtime(u64::try_from(seconds).unwrap_or(0));
    header.set_size(data.len() as u64);
    header.set_cksum();
    archive.append(&header, data).map_err(failed)
}

#[cfg(test)]
mod tests;
