//! What `.gitmodules` says: which repositories belong into a tree. Nothing of it is run, and little of it is believed.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use headwater_http::{Credentials, SafeUrl};
use url::Url;

use crate::{Error, LocalRepositories, Remote, local, ssh, tree};

/// The file's name.
pub(super) const FILE: &str = ".gitmodules";
const SSH_PORT: u16 = 22;

/// A repository within another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    /// What Git calls it.
    pub(super) name: BString,
    /// Where it belongs, from the root of the repository that it is in.
    pub(super) path: BString,
    /// Where it is, as it is written.
    pub(super) url: BString,
    /// Its commit.
    pub(super) id: ObjectId,
}

/// Reads a `.gitmodules` file of the repository that errors call `shown`. `commits` are the places for other repositories in the
/// same tree, by their paths from its root. Places of which the file says nothing are left alone, as is what it says of others.
///
/// # Errors
/// [`Error::BadTree`] where the file is no configuration, or would have Git run something.
pub(super) fn modules(text: &[u8], shown: &str, commits: &BTreeMap<BString, ObjectId>) -> Result<Vec<Module>, Error> {
    let bad = |why: &str| tree::bad(shown, FILE.into(), why);
    let source = gix::config::file::Metadata::from(gix::config::Source::Local);
    let file = gix::config::File::from_bytes_no_includes(text, source, gix::config::file::init::Options::default())
        .map_err(|_| bad("the file cannot be read"))?;
    // What is said later counts.
    let mut said: BTreeMap<BString, (Option<BString>, Option<BString>)> = BTreeMap::new();
    for section in file.sections_by_name("submodule").into_iter().flatten() {
        let Some(name) = section.header().subsection_name().filter(|name| is_name(name)) else { continue };
        let value = |key| section.body().value(key);
        if value("update").is_some_and(|update| update.trim_start().starts_with(b"!")) {
            return Err(bad("a submodule would run a command"));
        }
        let (path, url) = said.entry(name.to_owned()).or_default();
        *path = value("path").or(path.take());
        *url = value("url").or(url.take());
    }
    let mut modules = BTreeMap::new();
    for (name, (path, url)) in said {
        if let Some(path) = path
            && let Some(id) = commits.get(&path)
        {
            let url = url.unwrap_or_default();
            modules.insert(path.clone(), Module { name, path, url, id: *id });
        }
    }
    Ok(modules.into_values().collect())
}

/// Whether a submodule may have this name, which is also that of a folder.
fn is_name(name: &BStr) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    let ends = name.first().is_none_or(is_separator) || name.last().is_none_or(is_separator);
    let drive = name.get(1) == Some(&b':');
    let up = name.split(is_separator).any(|part| part == b"..");
    !ends && !drive && !up && name != "." && !name.iter().any(u8::is_ascii_control)
}

/// Where the folder of a submodule within `.git` is, when that of the repository that it is in is `above`.
pub(super) fn folder(above: &BStr, name: &BStr) -> BString {
    let mut folder = above.to_owned();
    folder.extend_from_slice(b"/modules");
    for part in name.split_str("/").filter(|part| !matches!(*part, b"" | b".")) {
        folder.push(b'/');
        folder.extend_from_slice(part);
    }
    folder
}

/// The file `.git` that Git puts into a submodule at `mount` whose own folder is `folder`, both from the root of all.
pub(super) fn pointer(mount: &BStr, folder: &BStr) -> Vec<u8> {
    let up = "../".repeat(mount.split_str("/").count());
    [b"gitdir: ", up.as_bytes(), folder.as_bytes(), b"\n"].concat()
}

/// The remote of a submodule of `parent`. Credentials come along only to the same scheme, host and port; what is trusted and the
/// way there always do.
///
/// # Errors
/// What is wrong with the URL.
pub(super) fn remote(parent: &Remote, raw: &BStr) -> Result<Remote, String> {
    let mut url = address(parent, raw)?;
    let home = place(&url) == place(&parent.url);
    if home && url.username().is_empty() && url.password().is_none() {
        url = url.with(|url| {
            // These fail only for URLs that cannot have any.
            let _ = url.set_username(parent.url.username());
            let _ = url.set_password(parent.url.password());
        });
    }
    if !home && url.scheme() == ssh::SCHEME {
        return Err(format!("there are no credentials for '{url}', which is on another host than '{}'", parent.url));
    }
    let local = if url.scheme() == parent.url.scheme() { parent.local } else { LocalRepositories::Refused };
    let at_home = Remote { url, local, ..parent.clone() };
    if home {
        return Ok(at_home);
    }
    Ok(Remote { credentials: Credentials::Anonymous, identity: None, trust: parent.trust.without_certificate(), ssh: None, ..at_home })
}

/// Scheme, host and port.
fn place(url: &Url) -> (&str, Option<&str>, Option<u16>) {
    let port = url.port_or_known_default().or((url.scheme() == ssh::SCHEME).then_some(SSH_PORT));
    (url.scheme(), url.host_str(), port)
}

/// The URL that `raw` means in a repository at `parent`.
fn address(parent: &Remote, raw: &BStr) -> Result<SafeUrl, String> {
    let raw = raw.to_str().map_err(|_| "the URL is not UTF-8")?;
    if raw.is_empty() {
        return Err("it has no URL".into());
    }
    if raw.starts_with('-') || raw.chars().any(char::is_control) {
        return Err("the URL could be taken for something else".into());
    }
    if raw.contains("://") {
        let url = SafeUrl::parse(raw).map_err(|_| "the URL cannot be read")?;
        return allowed(parent, url);
    }
    let (start, rest) = raw.split_once('/').unwrap_or((raw, ""));
    if raw.starts_with('/') {
        let url = Url::from_file_path(raw).map_err(|()| "the URL cannot be read")?;
        return allowed(parent, url.into());
    }
    match colon(start) {
        Some((_, path)) if path.starts_with(':') => Err("helpers are not supported".into()),
        Some((host, path)) => {
            let separator = if raw.contains('/') && !path.is_empty() { "/" } else { "" };
            let path = format!("{path}{separator}{rest}");
            let mut url = Url::parse(&format!("{}://{host}/", ssh::SCHEME)).map_err(|_| "the URL cannot be read")?;
            url.set_path(&format!("/{}", path.trim_start_matches('/')));
            // `user:password@host:path` is no way to write it, but it is written.
            allowed(parent, if path.contains('@') { SafeUrl::doubtful(url) } else { url.into() })
        }
        None => relative(&parent.url, raw),
    }
}

/// Takes `host:path` apart; a host in brackets may have colons.
fn colon(text: &str) -> Option<(&str, &str)> {
    let from = text.find(']').unwrap_or_default();
    let at = from + text[from..].find(':')?;
    Some((&text[..at], &text[at + 1..]))
}

fn allowed(parent: &Remote, url: SafeUrl) -> Result<SafeUrl, String> {
    let known = match url.scheme() {
        "file" => local::may_be(parent),
        "http" | "https" => url.has_host(),
        scheme => scheme == ssh::SCHEME && url.has_host(),
    };
    if known { Ok(url) } else { Err(format!("unsupported scheme '{}'", url.scheme())) }
}

/// `raw` from the repository at `base`, which is a folder here: `../x` is beside it.
fn relative(base: &SafeUrl, raw: &str) -> Result<SafeUrl, String> {
    let mut path: Vec<&str> = base.path().split('/').filter(|name| !name.is_empty()).collect();
    for name in raw.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(path.pop().ok_or("the URL leads above its host")?),
            name => path.push(name),
        }
    }
    let path = format!("/{}", path.join("/"));
    Ok(base.with(|url| {
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
    }))
}

#[cfg(test)]
mod tests;
