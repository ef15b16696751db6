//! Disks that are full, or read-only, when a test wants it.

use std::{fs, path::Path};

use crate::{command, needs};

/// A small file system in memory, gone at the end of its owner.
#[derive(Debug)]
pub struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    /// Mounts one at `path`, with options of `mount` such as `size=1m`. `None` where that is not allowed, which is said aloud.
    pub fn mount(path: &'a Path, options: &str) -> Option<Self> {
        if !needs::installed(&["mount"]) {
            return None;
        }
        fs::create_dir_all(path).unwrap();
        let mounted = command("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        needs::once("mount", "SKIPPED the tests of full and read-only disks: mounting a tmpfs is not allowed");
        None
    }

    /// Changes the options.
    pub fn remount(&self, options: &str) {
        let done = command("mount").args(["-o", &format!("remount,{options}")]).arg(self.0).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = command("umount").arg("-l").arg(self.0).status();
    }
}
