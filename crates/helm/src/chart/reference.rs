//! References to charts and values files.

use std::sync::LazyLock;

use headwater_golang::filepath::clean;
use headwater_golang::regexp::Regexp;

use super::{Error, Problem, values};

/// Names of charts in repositories; `None` cannot happen, the pattern is constant.
static NAME: LazyLock<Option<Regexp>> = LazyLock::new(|| Regexp::new(r"^([-a-z0-9]+/?\.?)+$", Regexp::LARGEST).ok());

/// Checks the name of a chart in a repository.
///
/// # Errors
/// [`Error::InvalidChartReference`] for an empty name, or one with anything but lower case letters, digits, dashes, slashes and periods.
pub fn check_name(name: &str) -> Result<(), Error> {
    let refused = |message: String| Err(Error::InvalidChartReference(Problem::new(message)));
    if name.is_empty() {
        return refused("no name set for remote chart reference".to_owned());
    }
    if !NAME.as_ref().is_some_and(|shape| shape.is_match(name)) {
        return refused(format!(
            "invalid chart name '{name}': a valid name must be lower case letters and numbers and MAY be separated with dashes (-), \
             slashes (/) or periods (.)"
        ));
    }
    Ok(())
}

/// Checks the path of a chart in a source.
///
/// # Errors
/// [`Error::InvalidChartReference`] for an empty path, or an absolute one.
pub fn check_path(path: &str) -> Result<(), Error> {
    let refused = |message: &str| Err(Error::InvalidChartReference(Problem::new(message)));
    match path {
        "" => refused("no path set for local chart reference"),
        _ if path.starts_with('/') => refused("local chart reference path is expected to be relative"),
        _ => Ok(()),
    }
}

/// The values files that make a difference: none where `values.yaml` alone is asked for, which is what a chart has anyway.
pub fn effective_values_files(files: &[String]) -> &[String] {
    match files {
        [only] if clean(only) == values::FILE => &[],
        files => files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_checked_as_upstream_does() {
        for name in ["tide", "a/b", "a.b-c", "a/.b", "-"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["Tide", "a//b", "../x", "a b", "/a", "a\n"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let told = |checked: Result<(), Error>| checked.map_err(|error| error.to_string());
        assert_eq!(told(check_name("")), Err("invalid chart reference: no name set for remote chart reference".to_owned()));
        assert_eq!(told(check_path("")), Err("invalid chart reference: no path set for local chart reference".to_owned()));
        assert_eq!(
            told(check_path("/a")),
            Err("invalid chart reference: local chart reference path is expected to be relative".to_owned())
        );
        assert_eq!(check_path("../a"), Ok(()));
    }

    #[test]
    fn the_default_values_alone_are_no_values_files() {
        let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(effective_values_files(&files(&["./values.yaml"])).is_empty());
        assert_eq!(effective_values_files(&files(&["values.yaml", "x"])).len(), 2);
        assert_eq!(effective_values_files(&files(&["a/values.yaml"])).len(), 1);
    }
}
