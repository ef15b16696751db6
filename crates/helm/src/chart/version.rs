//! Build metadata of versions.

use super::{Error, Problem};
use headwater_version::Version;

/// `version` in full (`1.2.3-pre`), with `metadata` as its build metadata instead of what it had; `1.2` with `5` is `1.2.0+5`.
///
/// # Errors
/// [`Error::MetadataPatch`] where `version` is none, or where `metadata` is not dot-separated runs of ASCII letters, digits and hyphens.
pub fn with_metadata(version: &str, metadata: &str) -> Result<String, Error> {
    let parsed = Version::parse(version).map_err(|error| {
        Error::MetadataPatch(Problem::new(error.to_string()).within("failed to parse version from chart metadata as SemVer"))
    })?;
    let sound = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !metadata.is_empty() && !metadata.split('.').all(sound) {
        let problem = Problem::new("invalid metadata string").within("failed to set SemVer metadata on chart version");
        return Err(Error::MetadataPatch(problem));
    }
    let text = parsed.original();
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split('+').next().unwrap_or(text);
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    // A version has one to three numbers; they are digits, but may begin with zeros.
    let mut numbers: Vec<&str> =
        core.split('.').map(|n| Some(n.trim_start_matches('0')).filter(|n| !n.is_empty()).unwrap_or("0")).collect();
    numbers.resize(3, "0");
    let mut full = numbers.join(".");
    for (sign, part) in [('-', pre.unwrap_or_default()), ('+', metadata)] {
        if !part.is_empty() {
            full.push(sign);
            full.push_str(part);
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_set_on_the_full_version() {
        for (version, metadata, full) in [
            ("1.2.3", "1", "1.2.3+1"),
            ("v1.2", "abc.d-e", "1.2.0+abc.d-e"),
            ("1", "1", "1.0.0+1"),
            ("1.2.3-rc.1+old", "new", "1.2.3-rc.1+new"),
            ("1.2.3+old-x", "", "1.2.3"),
        ] {
            assert_eq!(with_metadata(version, metadata), Ok(full.to_owned()));
        }
        let refused = |version, metadata| with_metadata(version, metadata).map_err(|error| error.to_string());
        assert_eq!(
            refused("x", "1"),
            Err("chart metadata patch error: failed to parse version from chart metadata as SemVer: invalid semantic version".to_owned())
        );
        for bad in ["a_b", "a..b", "é"] {
            assert_eq!(
                refused("1.2.3", bad),
                Err("chart metadata patch error: failed to set SemVer metadata on chart version: invalid metadata string".to_owned())
            );
        }
    }
}
