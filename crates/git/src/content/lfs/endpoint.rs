//! Where the LFS server of a remote is.

use bstr::ByteSlice as _;
use headwater_http::without_user;
use url::Url;

use super::Place;
use crate::Error;

/// The address of the batch API.
pub(super) struct Endpoint {
    pub(super) batch: Url,
    /// What to add to errors that an ignored `.lfsconfig` may explain.
    pub(super) hint: &'static str,
}

impl Endpoint {
    /// The server that `config`, a `.lfsconfig`, names, provided that it is on the remote's host and no less protected; otherwise
    /// the one that belongs to the repository by convention.
    pub(super) fn new(place: &Place<'_>, config: Option<&[u8]>) -> Result<Self, Error> {
        let remote = &place.remote.url;
        let named = config.map(|config| named(place, config)).transpose()?.flatten();
        let hint = match &named {
            Some(url) if may_be_asked(remote, url) => return Ok(Self { batch: below(url, ""), hint: "" }),
            Some(_) => " (the server that .lfsconfig names is not asked: it is on another host, or less protected)",
            None => "",
        };
        match remote.scheme() {
            "http" | "https" => {
                let is_bare = remote.path().trim_end_matches('/').strip_suffix(".git").is_some();
                Ok(Self { batch: below(remote, if is_bare { "/info/lfs" } else { ".git/info/lfs" }), hint })
            }
            "ssh" => {
                let message =
                    format!("Git LFS is not supported over ssh: use https, or set lfs.url to http(s) on the same host in .lfsconfig{hint}");
                Err(place.unreachable(message))
            }
            scheme => Err(Error::UnsupportedScheme { url: place.url.clone(), scheme: scheme.to_owned() }),
        }
    }
}

/// The `lfs.url` of a `.lfsconfig`, if it is a URL.
fn named(place: &Place<'_>, config: &[u8]) -> Result<Option<Url>, Error> {
    let unreadable = |_| Error::Corrupt { url: place.url.clone(), message: ".lfsconfig is not a Git configuration".into() };
    let config = gix::config::File::try_from(config.as_bstr()).map_err(unreadable)?;
    Ok(config.string("lfs.url").and_then(|url| Url::parse(url.to_str().ok()?.trim()).ok()))
}

/// Whether who writes the tree may send us to `url`.
fn may_be_asked(remote: &Url, url: &Url) -> bool {
    let same_host = url.host_str().zip(remote.host_str()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    let protected = match url.scheme() {
        "https" => true,
        "http" => remote.scheme() != "https",
        _ => false,
    };
    same_host && protected
}

/// The address of the batch API below `base` and `suffix`.
fn below(base: &Url, suffix: &str) -> Url {
    let mut url = without_user(base.clone());
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(&format!("{}{suffix}/objects/batch", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;
    use crate::tests::remote;

    fn endpoint(url: &str, config: &str) -> Result<(String, bool), String> {
        let remote = remote(url);
        let place = Place { remote: &remote, url: remote.url.to_string(), folder: Path::new("/none") };
        let endpoint = Endpoint::new(&place, Some(config.as_bytes())).map_err(|error| error.to_string())?;
        Ok((endpoint.batch.into(), endpoint.hint.is_empty()))
    }

    fn lfs_url(url: &str) -> String {
        format!("[lfs]\n\turl = {url}\n")
    }

    #[test]
    fn the_server_is_the_conventional_one_or_one_on_the_same_host() {
        let ok = |url: &str| Ok((url.to_owned(), true));
        let ignored = |url: &str| Ok((url.to_owned(), false));
        let usual = "https://host/a/r.git/info/lfs/objects/batch";
        for url in ["https://host/a/r", "https://host/a/r/", "https://host/a/r.git", "https://u:p@host/a/r.git/?q=secret#f"] {
            assert_eq!(endpoint(url, ""), ok(usual), "{url}");
        }
        let remote = "https://host/a/r";
        assert_eq!(endpoint(remote, &lfs_url("https://u:p@HOST:8443/lfs/?x")), ok("https://host:8443/lfs/objects/batch"));
        assert_eq!(endpoint("http://host/a", &lfs_url("https://host/lfs")), ok("https://host/lfs/objects/batch"));
        for other in ["https://other/lfs", "http://host/lfs", "ssh://host/lfs", "file:///lfs"] {
            assert_eq!(endpoint(remote, &lfs_url(other)), ignored(usual), "{other}");
        }
        assert_eq!(endpoint(remote, &lfs_url("lfs/here")), ok(usual));
        assert!(endpoint(remote, "[lfs\n").unwrap_err().contains(".lfsconfig"));
    }

    #[test]
    fn ssh_needs_a_named_server() {
        let error = endpoint("ssh://git@host/r.git", "").unwrap_err();
        assert!(error.starts_with("unable to clone 'ssh://host/r.git': Git LFS is not supported over ssh"), "{error}");
        assert!(endpoint("ssh://git@host/r.git", &lfs_url("https://other/lfs")).unwrap_err().contains("another host"));
        let named = endpoint("ssh://git@host/r.git", &lfs_url("https://host/r/info/lfs")).unwrap();
        assert_eq!(named.0, "https://host/r/info/lfs/objects/batch");
        assert!(endpoint("file:///r", "").unwrap_err().contains("unsupported scheme"));
    }
}
