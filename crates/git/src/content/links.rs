//! Which symbolic links stay inside the tree.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use bstr::{BStr, BString, ByteSlice as _};
use gix::ObjectId;
use gix::objs::Kind;
use headwater_storage::{Entry, Mode};

use super::objects::Objects;
use crate::Error;

/// The longest target that an archive can hold, in bytes.
const MAX_TARGET: u64 = 4095;

/// Reads the targets of the links among `entries`, all of one part. Those that no archive can hold are left out.
pub(super) fn targets(
    objects: &Objects,
    entries: &[Entry],
    targets: &mut HashMap<BString, BString>,
    interrupt: &AtomicBool,
) -> Result<(), Error> {
    let mut target = Vec::new();
    for entry in entries.iter().filter(|entry| entry.mode == Mode::Symlink) {
        if interrupt.load(Ordering::Relaxed) {
            return Err(Error::Cancelled { url: objects.url().to_owned() });
        }
        let Ok(id) = ObjectId::try_from(entry.id.as_slice()) else { continue };
        if (1..=MAX_TARGET).contains(&objects.size(&id)?) {
            objects.read(&id, Kind::Blob, &mut target)?;
            targets.insert(entry.path.clone(), target.as_slice().into());
        }
    }
    Ok(())
}

/// Makes a [`Mode::Link`] of each link whose target stays inside the tree and reaches it through directories alone. The entries
/// are those of all parts.
pub(super) fn keep(entries: &mut [Entry], targets: &HashMap<BString, BString>) {
    let links: HashSet<BString> = entries.iter().filter(|entry| entry.mode == Mode::Symlink).map(|entry| entry.path.clone()).collect();
    for entry in entries.iter_mut().filter(|entry| entry.mode == Mode::Symlink) {
        if let Some(target) = targets.get(&entry.path)
            && stays(entry.path.as_bstr(), target.as_bstr(), &|path| links.contains(path))
        {
            entry.mode = Mode::Link;
            entry.size = target.len() as u64;
        }
    }
}

/// Whether `target`, seen from the link at `path`, stays inside the tree. It may be another link, but not lead through one.
fn stays(path: &BStr, target: &BStr, is_link: &dyn Fn(&BStr) -> bool) -> bool {
    if target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let mut at: BString = path.rsplit_once_str("/").map_or(BString::default(), |(directory, _)| directory.into());
    for name in target.split_str("/").filter(|name| !matches!(*name, b"" | b".")) {
        if is_link(at.as_bstr()) {
            return false;
        }
        if name != b".." {
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(name);
        } else if at.is_empty() {
            return false;
        } else {
            let end = at.rfind_byte(b'/').unwrap_or_default();
            at.truncate(end);
        }
    }
    // With a slash or a dot at the end, it is what the link leads to that is meant.
    !(is_link(at.as_bstr()) && (target.ends_with(b"/") || target.ends_with(b"/.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside_and_lead_through_no_other() {
        let is_link = |path: &BStr| path == "dir/link" || path == "l";
        for (path, target, wanted) in [
            ("l", "a", true),
            ("dir/link", "../a", true),
            ("dir/x", "link", true),
            ("dir/x", "link/a", false),
            ("dir/x", "link/../a", false),
            ("dir/x", "link/", false),
            ("x", "./dir//a", true),
            ("x", ".", true),
            ("x", "..", false),
            ("dir/x", "..", true),
            ("dir/x", "../..", false),
            ("dir/x", "../../dir/a", false),
            ("dir/x", "/dir/a", false),
            ("dir/x", "a\0", false),
            ("dir/x", "gone/../../dir/a", true),
        ] {
            assert_eq!(stays(path.into(), target.into(), &is_link), wanted, "{path} -> {target}");
        }
    }
}
