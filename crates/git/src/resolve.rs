//! From a reference to a commit: the rules, wherever the references are.

use std::ops::ControlFlow;

use bstr::ByteSlice as _;
use gix::ObjectId;
use gix::protocol::Handshake;
use headwater_golang::regexp::{self, Regexp};

use headwater_version::{self as version, Range};
use tokio::time::Instant;

use super::session::{RemoteRef, Session, Target};
use super::supervise::supervise;
use super::{Error, Head, Reference, Remote, Tag, local, mirror, obtain};

/// Follows a tag's name when what the tag leads to is meant.
const PEELED: &str = "^{}";

/// Asks the remote what `reference` is: one list of references, narrowed to those that matter, after a handshake where none was
/// had lately. A commit alone costs the handshake. Who asks the same at the same time with the same credentials shares the answer.
///
/// # Errors
/// See [`Error`]. [`Error::EmptyRepository`] only where a branch was asked for.
pub async fn resolve(remote: &Remote, reference: &Reference) -> Result<Head, Error> {
    if local::may_be(remote) {
        let reference = reference.clone();
        return supervise(remote, move |remote, _, interrupt| local::resolve(remote, &reference, interrupt)).await;
    }
    let mirror = remote.mirrors.of(remote);
    let mut heads = mirror.turn_to_ask(remote).await?;
    if let Some(head) = mirror::heard(&heads, reference, remote.asked) {
        return Ok(head);
    }
    let (asked, wanted) = (Instant::now(), reference.clone());
    let head = supervise(remote, move |remote, token, _| {
        obtain::visit(remote, &mirror, &token, |session| look_up(&mut Greeted::new(session), &wanted))
    })
    .await?;
    mirror::hear(&mut heads, reference.clone(), asked, head.clone());
    Ok(head)
}

/// A repository whose references can be looked up. Names are full ones; the objects that they lead to are peeled.
pub(super) trait Refs {
    /// The name of the repository in errors.
    fn url(&self) -> String;
    /// Makes sure that the repository is there and lets us in; asking does it as well.
    fn enter(&mut self) -> Result<(), Error>;
    /// The object that the reference `full` leads to, if it is there.
    fn find(&mut self, full: &str) -> Result<Option<Target>, Error>;
    /// Calls `visit` with the references whose names begin with `prefix`, and perhaps with others, until it breaks off.
    fn each(&mut self, prefix: &str, visit: &mut dyn FnMut(RemoteRef<'_>) -> ControlFlow<()>) -> Result<(), Error>;
}

/// Looks up `reference` among `refs`.
pub(super) fn look_up(refs: &mut dyn Refs, reference: &Reference) -> Result<Head, Error> {
    match reference {
        Reference::Default => branch(refs, "master"),
        Reference::Branch(name) => branch(refs, name),
        Reference::Tag(name) => {
            let full = valid(format!("refs/tags/{name}"))?;
            let target = refs.find(&full)?.ok_or_else(|| not_found(refs, full))?;
            Ok(tagged(name, name, target))
        }
        Reference::Semver { range, filter } => semver(refs, range, filter.as_deref()),
        Reference::Name(name) => {
            let full = valid(name.clone())?;
            let target = refs.find(full.strip_suffix(PEELED).unwrap_or(&full))?;
            let found = target.map(|target| match full.strip_prefix("refs/tags/").filter(|name| !name.ends_with(PEELED)) {
                Some(tag) => tagged(&full, tag, target),
                None => named(&full, target),
            });
            found.ok_or(Error::NameNotFound { name: full })
        }
        Reference::Commit { id, branch } => commit(refs, id, branch.as_deref()),
    }
}

fn branch(refs: &mut dyn Refs, name: &str) -> Result<Head, Error> {
    let full = valid(format!("refs/heads/{name}"))?;
    match refs.find(&full)? {
        Some(target) => Ok(named(name, target)),
        None if is_empty(refs)? => Err(Error::EmptyRepository { url: refs.url() }),
        None => Err(not_found(refs, full)),
    }
}

fn semver(refs: &mut dyn Refs, text: &str, filter: Option<&str>) -> Result<Head, Error> {
    let range = Range::parse(text)?;
    let invalid =
        |error: regexp::Error| Error::InvalidFilter { filter: printable(filter.unwrap_or_default()), why: printable(error.reason()) };
    let filter = filter.map(|filter| Regexp::new(filter, Regexp::LARGEST)).transpose().map_err(invalid)?;
    let mut tags = Vec::new();
    refs.each("refs/tags/", &mut |found| {
        let name = found.name.strip_prefix(b"refs/tags/").and_then(|name| name.to_str().ok());
        if let (Some(name), Some(target)) = (name, found.target)
            && filter.as_ref().is_none_or(|filter| filter.is_match(name))
            && version::Version::parse_tag(name).is_ok_and(|version| range.matches(&version))
        {
            tags.push((name.to_owned(), target));
        }
        ControlFlow::Continue(())
    })?;
    let newest = version::newest_tag(tags.iter().map(|(name, _)| name.as_str()), &range);
    newest
        .and_then(|newest| tags.iter().find(|(name, _)| name == newest))
        .map(|(name, target)| tagged(name, name, *target))
        .ok_or_else(|| Error::NoSemverMatch { range: text.to_owned() })
}

fn commit(refs: &mut dyn Refs, text: &str, branch: Option<&str>) -> Result<Head, Error> {
    let id = ObjectId::from_hex(text.as_bytes()).map_err(|_| Error::CommitNotFound { id: printable(text) })?;
    let Some(branch) = branch.filter(|branch| !branch.is_empty()) else {
        refs.enter()?;
        return Ok(Head { id, revision: digest(id), tip: None, tag: None });
    };
    let full = valid(format!("refs/heads/{branch}"))?;
    match refs.find(&full)? {
        Some(tip) => Ok(Head { tip: Some(tip.id), ..named(branch, Target::new(id, None)) }),
        None => Err(not_found(refs, full)),
    }
}

/// True if the repository has no references at all. A HEAD that leads somewhere settles it without a list.
fn is_empty(refs: &mut dyn Refs) -> Result<bool, Error> {
    if refs.find("HEAD")?.is_some() {
        return Ok(false);
    }
    let mut empty = true;
    refs.each("", &mut |found| {
        empty = found.target.is_none();
        if empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(empty)
}

/// A remote after one handshake, made when the first question comes.
pub(super) struct Greeted<'a> {
    session: &'a mut Session,
    handshake: Option<Handshake>,
}

impl<'a> Greeted<'a> {
    pub(super) fn new(session: &'a mut Session) -> Self {
        Self { session, handshake: None }
    }
}

impl Refs for Greeted<'_> {
    fn url(&self) -> String {
        self.session.wire.url.clone()
    }

    fn enter(&mut self) -> Result<(), Error> {
        if self.handshake.is_none() {
            self.handshake = Some(self.session.greet()?);
        }
        Ok(())
    }

    fn find(&mut self, full: &str) -> Result<Option<Target>, Error> {
        let mut target = None;
        self.each(full, &mut |found| {
            if found.name == full {
                target = found.target;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(target)
    }

    fn each(&mut self, prefix: &str, visit: &mut dyn FnMut(RemoteRef<'_>) -> ControlFlow<()>) -> Result<(), Error> {
        let handshake = match self.handshake.take() {
            Some(handshake) => handshake,
            None => self.session.handshake()?,
        };
        let handshake = self.handshake.insert(handshake);
        let prefixes: &[&str] = if prefix.is_empty() { &[] } else { &[prefix] };
        self.session.each_ref(handshake, prefixes, visit)
    }
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

fn not_found(refs: &dyn Refs, name: String) -> Error {
    Error::RefNotFound { url: refs.url(), name }
}

/// The revision by `name`.
fn named(name: &str, target: Target) -> Head {
    Head { id: target.id, revision: format!("{name}@{}", digest(target.id)), tip: None, tag: None }
}

/// The revision by `name`, which leads to it through `tag`.
fn tagged(name: &str, tag: &str, target: Target) -> Head {
    Head { tag: Some(Tag { name: tag.to_owned(), object: target.tag }), ..named(name, target) }
}

fn digest(id: ObjectId) -> String {
    format!("sha1:{id}")
}
