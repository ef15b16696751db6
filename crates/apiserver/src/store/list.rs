//! Reading: one object, or a page of them.

use std::ops::Bound;

use axum::body::Bytes;
use redb::ReadTransaction;

use super::{Key, Stored, disk::OBJECTS, history::Undo};

/// Which part of a list is wanted. The default is all of it, now.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// As of which version; none: the latest.
    pub at: Option<u64>,
    /// After which namespace and name.
    pub after: Option<(String, String)>,
    /// How many, at most.
    pub limit: Option<usize>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The version at which the list was like that.
    pub version: u64,
    /// The objects, sorted by namespace and name.
    pub items: Vec<Stored>,
    /// The namespace and name of the last one, to go on after; none if that was all.
    pub next: Option<(String, String)>,
    /// How many follow.
    pub remaining: u64,
}

pub(super) fn get(snapshot: &ReadTransaction, key: &Key) -> Result<Option<Stored>, redb::Error> {
    let table = snapshot.open_table(OBJECTS)?;
    let found = table.get((key.resource.as_str(), key.namespace.as_str(), key.name.as_str()))?;
    Ok(found.map(|found| stored(found.value())))
}

pub(super) fn stored((version, json): (u64, &[u8])) -> Stored {
    Stored { version, json: Bytes::copy_from_slice(json) }
}

/// What to list: [`Range`] without the version.
pub(super) struct Wanted<'a> {
    pub(super) resource: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) after: Option<&'a (String, String)>,
    pub(super) limit: Option<usize>,
    /// After how much it ends, without counting what follows.
    pub(super) bytes: usize,
}

/// A page of what is in the table, with `undo` in place of what has changed since `version`.
pub(super) fn page(snapshot: &ReadTransaction, wanted: &Wanted<'_>, version: u64, undo: &Undo) -> Result<Page, redb::Error> {
    let mut page = Page { version, items: Vec::new(), next: None, remaining: 0 };
    let resource = wanted.resource;
    // The next text after any is the same with a NUL.
    let (past_resource, past_namespace) = (format!("{resource}\0"), format!("{}\0", wanted.namespace.unwrap_or_default()));
    let (first, end) = match wanted.namespace {
        Some(namespace) => ((resource, namespace, ""), (resource, past_namespace.as_str(), "")),
        None => ((resource, "", ""), (past_resource.as_str(), "", "")),
    };
    let after = wanted.after.map(|(namespace, name)| (resource, namespace.as_str(), name.as_str())).filter(|after| *after >= first);
    if after.is_some_and(|after| after >= end) {
        return Ok(page);
    }
    let start = after.map_or(Bound::Included(first), Bound::Excluded);
    let limit = wanted.limit.unwrap_or(usize::MAX);
    let mut bytes = 0;
    // Answers whether to go on.
    let mut add = |place: (&str, &str), object: &dyn Fn() -> Stored| {
        if page.items.len() == limit || bytes >= wanted.bytes {
            page.remaining += 1;
            return bytes < wanted.bytes;
        }
        let object = object();
        bytes = bytes.saturating_add(object.json.len());
        page.items.push(object);
        if page.items.len() == limit || bytes >= wanted.bytes {
            page.next = Some((place.0.to_owned(), place.1.to_owned()));
        }
        true
    };
    let table = snapshot.open_table(OBJECTS)?;
    let mut undone = undo
        .iter()
        .map(|((namespace, name), old)| ((namespace.as_str(), name.as_str()), old))
        .filter(|(place, _)| after.is_none_or(|(_, namespace, name)| *place > (namespace, name)))
        .peekable();
    let mut go_on = true;
    for entry in table.range::<(&str, &str, &str)>((start, Bound::Excluded(end)))? {
        let (key, value) = entry?;
        let (_, namespace, name) = key.value();
        let place = (namespace, name);
        while let Some((before, old)) = undone.next_if(|(before, _)| *before < place) {
            if let Some(old) = old {
                go_on = add(before, &|| old.clone());
            }
        }
        match undone.next_if(|(same, _)| *same == place) {
            Some((_, None)) => {}
            Some((_, Some(old))) => go_on = add(place, &|| old.clone()),
            None => go_on = add(place, &|| stored(value.value())),
        }
        if !go_on {
            break;
        }
    }
    for old in undone.filter(|_| go_on) {
        if let (place, Some(old)) = old {
            add(place, &|| old.clone());
        }
    }
    if page.remaining == 0 {
        page.next = None;
    }
    Ok(page)
}
