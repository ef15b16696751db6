//! Dependencies: what a chart asks for, what its lock file says, and which of it is missing.

use std::collections::{BTreeMap, BTreeSet};

use headwater_golang::quote;
use headwater_http::printable_url;

use super::metadata::Dependency;
use super::source::{Source, shown};
use super::text::joined;
use super::{Chart, Error, Limits, Problem};
use headwater_version::{Range, Version};

/// A dependency whose chart is not below `charts/`.
#[derive(Debug, Clone, PartialEq)]
pub struct Missing {
    /// Name that the chart is to go by: the alias, or else the name.
    pub name: String,
    /// What is asked for.
    pub dependency: Dependency,
}

impl Missing {
    /// The folder or archive in `source` that a local dependency of the chart at `chart_path` means, clean and within the source.
    fn local_path(&self, chart_path: &str) -> Result<String, Problem> {
        let Dependency { name, repository, .. } = &self.dependency;
        if repository.is_empty() {
            return Ok(joined(chart_path, &format!("charts/{name}")));
        }
        let rest = repository
            .strip_prefix("file://")
            .ok_or_else(|| Problem::new(format!("'{}' is not a local chart reference", printable_url(repository))))?;
        let written = written_path(rest).map_err(|escape| {
            let printed = printable_url(repository);
            // It may be a part of a password.
            let escape = if printed.contains(escape) { format!(" {}", quote(escape)) } else { String::new() };
            let url = quote(&printed);
            Problem::new(format!("failed to parse alleged local chart reference: parse {url}: invalid URL escape{escape}"))
        })?;
        Ok(joined(chart_path, &written))
    }

    /// Loads the chart of a local dependency of the chart at `chart_path`, and checks that its version is in the range asked for.
    fn load_local(&self, source: &impl Source, chart_path: &str, limits: &Limits) -> Result<Chart, Problem> {
        let Dependency { version, repository, .. } = &self.dependency;
        let path = self.local_path(chart_path)?;
        if source.kind(&path)?.is_none() {
            return Err(Problem::new(format!("no chart found at '{}' (reference '{}')", shown(&path), printable_url(repository))));
        }
        let range =
            Range::parse(version).map_err(|error| Problem::new(format!("invalid version/constraint format '{version}': {error}")))?;
        let chart = Chart::load(source, &path, limits).map_err(|problem| {
            let reference = printable_url(repository);
            problem.within(format!("failed to load chart from '{}' (reference '{reference}')", shown(&path)))
        })?;
        let found = Version::parse(&chart.metadata.version).map_err(|error| Problem::new(error.to_string()))?;
        if !range.matches(&found) {
            return Err(Problem::new(format!("can't get a valid version for constraint '{version}'")));
        }
        Ok(chart)
    }
}

impl Chart {
    /// The dependencies that are asked for and not there, by name; those of the lock file where there is one.
    ///
    /// As upstream, none is missing where there are as many charts as dependencies, whatever they are called.
    pub fn missing(&self) -> Vec<Missing> {
        let none = Vec::new();
        let wanted = match &self.lock {
            Some(lock) => lock.dependencies.as_ref().unwrap_or(&none),
            None => &self.metadata.dependencies,
        };
        if wanted.len() == self.dependencies.len() {
            return Vec::new();
        }
        let there: BTreeSet<&str> = self.dependencies.iter().map(Chart::name).collect();
        let mut missing = BTreeMap::new();
        for dependency in wanted.iter().flatten() {
            if !there.contains(dependency.called()) {
                missing.insert(dependency.called().to_owned(), dependency.clone());
            }
        }
        missing.into_iter().map(|(name, dependency)| Missing { name, dependency }).collect()
    }

    /// Adds the chart of a dependency, under its alias if it has one.
    pub fn add(&mut self, mut chart: Chart, alias: &str) {
        if !alias.is_empty() {
            alias.clone_into(&mut chart.metadata.name);
        }
        self.dependencies.push(chart);
    }

    /// Adds a local dependency of this chart, which lies at `chart_path` in `source`. What that chart depends on itself is not looked for.
    ///
    /// # Errors
    /// [`Error::DependencyBuild`] where there is no such chart, where it cannot be loaded or has another version.
    pub fn add_local(&mut self, source: &impl Source, chart_path: &str, missing: &Missing, limits: &Limits) -> Result<(), Error> {
        let chart = missing
            .load_local(source, chart_path, limits)
            .map_err(|problem| Error::DependencyBuild(problem.within(format!("failed to add local dependency '{}'", missing.name))))?;
        self.add(chart, &missing.dependency.alias);
        Ok(())
    }
}

/// Host and path of what follows `file://`, one after the other and the path's escapes decoded; or the escape that is none.
fn written_path(rest: &str) -> Result<String, &str> {
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let escape_at = |text: &'_ str, sound: fn(&[u8]) -> bool| {
        let mut escapes = text.match_indices('%').map(|(at, _)| (at, text.as_bytes().get(at + 1..at + 3).unwrap_or_default()));
        escapes.find(|(_, digits)| !sound(digits)).map(|(at, _)| at)
    };
    if let Some(at) = escape_at(host, |_| false) {
        return Err(host.get(at..at + 3).unwrap_or(&host[at..]));
    }
    if let Some(at) = escape_at(path, |digits| digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)) {
        return Err(path.get(at..at + 3).unwrap_or(&path[at..]));
    }
    Ok(format!("{host}{}", percent_encoding::percent_decode_str(path).decode_utf8_lossy()))
}

#[cfg(test)]
mod tests;
