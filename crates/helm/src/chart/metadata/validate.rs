//! The checks that Helm makes of what charts say of themselves.

use std::borrow::Cow;
use std::collections::BTreeSet;

use headwater_golang::filepath::base;
use headwater_golang::quote;

use super::super::Problem;
use super::{Dependency, Metadata};
use crate::printable::sanitised;
use headwater_version::Version;

/// Why Helm calls a chart invalid.
pub(crate) enum Invalid {
    /// Two dependencies go by the same name, which Helm lets pass in an index.
    SameName(Problem),
    /// Anything else.
    Other(Problem),
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let (Invalid::SameName(problem) | Invalid::Other(problem)) = invalid;
        problem
    }
}

fn invalid(what: impl AsRef<str>) -> Invalid {
    Invalid::Other(problem(what))
}

fn problem(what: impl AsRef<str>) -> Problem {
    Problem::new(format!("validation: {}", what.as_ref()))
}

/// Makes every white space a plain space and drops what cannot be printed.
fn sanitise(text: &mut String) {
    if let Cow::Owned(other) = sanitised(text) {
        *text = other;
    }
}

impl Metadata {
    /// Puts every text on one line and checks what Helm checks of a chart.
    ///
    /// # Errors
    /// What is missing or invalid, beginning with `validation: `.
    pub fn validate(&mut self) -> Result<(), Problem> {
        Ok(self.check()?)
    }

    /// As [`Metadata::validate`]. What stands behind a dependency whose name is taken is neither checked nor put on one line.
    pub(crate) fn check(&mut self) -> Result<(), Invalid> {
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
        texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(sanitise);
        self.check_fields()?;
        for maintainer in &mut self.maintainers {
            let maintainer = maintainer.as_mut().ok_or_else(|| invalid("maintainers must not contain empty or null nodes"))?;
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitise);
        }
        let mut names = BTreeSet::new();
        for dependency in &mut self.dependencies {
            let dependency = dependency.as_mut().ok_or_else(|| invalid("dependencies must not contain empty or null nodes"))?;
            dependency.check()?;
            if !names.insert(dependency.called()) {
                let called = quote(dependency.called());
                return Err(Invalid::SameName(problem(format!("more than one dependency with name or alias {called}"))));
            }
        }
        Ok(())
    }

    fn check_fields(&self) -> Result<(), Invalid> {
        if self.api_version.is_empty() {
            return Err(invalid("chart.metadata.apiVersion is required"));
        }
        if self.name.is_empty() {
            return Err(invalid("chart.metadata.name is required"));
        }
        if self.name == "." || self.name == ".." {
            return Err(invalid(format!("chart.metadata.name {} is not allowed", quote(&self.name))));
        }
        if self.name != base(&self.name) {
            return Err(invalid(format!("chart.metadata.name {} is invalid", quote(&self.name))));
        }
        if self.version.is_empty() {
            return Err(invalid("chart.metadata.version is required"));
        }
        if Version::parse(&self.version).is_err() {
            return Err(invalid(format!("chart.metadata.version {} is invalid", quote(&self.version))));
        }
        if !["", "application", "library"].contains(&self.kind.as_str()) {
            return Err(invalid("chart.metadata.type must be application or library"));
        }
        Ok(())
    }
}

impl Dependency {
    fn check(&mut self) -> Result<(), Invalid> {
        let texts = [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition];
        texts.into_iter().chain(&mut self.tags).for_each(sanitise);
        if !self.alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(invalid(format!("dependency {} has disallowed characters in the alias", quote(&self.name))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sanitised_as_upstream_does() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("a\tb\nc\u{b}d\u{85}e\u{a0}f\u{2028}g\u{3000}h", "a b c d e f g h"),
            ("bell\u{7}zero\u{0}wide\u{200b}soft\u{ad}bom\u{feff}private\u{e000}", "bellzerowidesoftbomprivate"),
            ("ünïcödé 漢字 🎉 \u{fffd} e\u{301}", "ünïcödé 漢字 🎉 \u{fffd} e\u{301}"),
            ("unassigned\u{378}", "unassigned"),
        ] {
            let mut text = text.to_owned();
            sanitise(&mut text);
            assert_eq!(text, wanted);
        }
    }
}
