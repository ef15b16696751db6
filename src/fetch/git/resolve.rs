//! From a reference to a commit.

use std::ops::ControlFlow;

use bstr::ByteSlice as _;
use gix::ObjectId;
use gix::protocol::Handshake;

use super::session::Session;
use super::{Error, Head, Reference};
use crate::version::{self, Range};

/// Follows a tag's name when what the tag leads to is meant.
const PEELED: &str = "^{}";

pub(super) fn resolve(session: &mut Session, reference: &Reference) -> Result<Head, Error> {
    match reference {
        Reference::Default => branch(session, "master"),
        Reference::Branch(name) => branch(session, name),
        Reference::Tag(name) => {
            let full = valid(format!("refs/tags/{name}"))?;
            let handshake = session.handshake()?;
            let id = find(session, &handshake, &full)?.ok_or_else(|| not_found(session, full))?;
            Ok(named(name, id))
        }
        Reference::Semver(range) => semver(session, range),
        Reference::Name(name) => {
            let full = valid(name.clone())?;
            let handshake = session.handshake()?;
            let name = || full.clone();
            let id = find(session, &handshake, full.strip_suffix(PEELED).unwrap_or(&full))?
                .ok_or_else(|| Error::NameNotFound { name: name() })?;
            Ok(named(&full, id))
        }
        Reference::Commit { id, branch } => commit(session, id, branch.as_deref()),
    }
}

fn branch(session: &mut Session, name: &str) -> Result<Head, Error> {
    let full = valid(format!("refs/heads/{name}"))?;
    let handshake = session.handshake()?;
    match find(session, &handshake, &full)? {
        Some(id) => Ok(named(name, id)),
        None if is_empty(session, &handshake)? => Err(Error::EmptyRepository { url: session.http.url.clone() }),
        None => Err(not_found(session, full)),
    }
}

fn semver(session: &mut Session, text: &str) -> Result<Head, Error> {
    let range = Range::parse(text)?;
    let handshake = session.handshake()?;
    let mut tags = Vec::new();
    session.each_ref(&handshake, &["refs/tags/"], &mut |found| {
        let name = found.name.strip_prefix(b"refs/tags/").and_then(|name| name.to_str().ok());
        if let (Some(name), Some(id)) = (name, found.target)
            && version::Version::parse_tag(name).is_ok_and(|version| range.matches(&version))
        {
            tags.push((name.to_owned(), id));
        }
        ControlFlow::Continue(())
    })?;
    let newest = version::newest_tag(tags.iter().map(|(name, _)| name.as_str()), &range);
    newest
        .and_then(|newest| tags.iter().find(|(name, _)| name == newest))
        .map(|(name, id)| named(name, *id))
        .ok_or_else(|| Error::NoSemverMatch { range: text.to_owned() })
}

fn commit(session: &mut Session, text: &str, branch: Option<&str>) -> Result<Head, Error> {
    let id = ObjectId::from_hex(text.as_bytes()).map_err(|_| Error::CommitNotFound { id: printable(text) })?;
    let Some(branch) = branch.filter(|branch| !branch.is_empty()) else {
        session.handshake()?;
        return Ok(Head { id, revision: digest(id), tip: None });
    };
    let full = valid(format!("refs/heads/{branch}"))?;
    let handshake = session.handshake()?;
    match find(session, &handshake, &full)? {
        Some(tip) => Ok(Head { tip: Some(tip), ..named(branch, id) }),
        None => Err(not_found(session, full)),
    }
}

/// What the reference `full` leads to, if the remote has it.
fn find(session: &mut Session, handshake: &Handshake, full: &str) -> Result<Option<ObjectId>, Error> {
    let mut id = None;
    session.each_ref(handshake, &[full], &mut |found| {
        if found.name == full {
            id = found.target;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(id)
}

/// Whether the remote has no references at all. A HEAD that leads somewhere settles it without a list.
fn is_empty(session: &mut Session, handshake: &Handshake) -> Result<bool, Error> {
    if find(session, handshake, "HEAD")?.is_some() {
        return Ok(false);
    }
    let mut empty = true;
    session.each_ref(handshake, &[], &mut |found| {
        empty = found.target.is_none();
        if empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(empty)
}

/// Refuses names that cannot be asked for.
fn valid(name: String) -> Result<String, Error> {
    let why = if name.bytes().any(|b| b.is_ascii_control()) {
        "Git refs cannot have control characters"
    } else if name.starts_with('/') || name.ends_with('/') {
        "Git refs cannot begin or end with a slash '/'"
    } else {
        return Ok(name);
    };
    Err(Error::InvalidReference { name: printable(&name), why })
}

fn printable(text: &str) -> String {
    text.chars().take(256).flat_map(char::escape_debug).collect()
}

fn not_found(session: &Session, name: String) -> Error {
    Error::RefNotFound { url: session.http.url.clone(), name }
}

fn named(name: &str, id: ObjectId) -> Head {
    Head { id, revision: format!("{name}@{}", digest(id)), tip: None }
}

fn digest(id: ObjectId) -> String {
    format!("sha1:{id}")
}
