//! A log for tests to read.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

use super::{Lines, filter};
use crate::settings::{Encoding, Level};

/// Lines as [`init`](super::init) would write them. Clones are the same log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes what this thread logs, until the guard is dropped.
    pub fn follow(&self, level: Level, encoding: Encoding) -> DefaultGuard {
        let lines = Lines::new(encoding, self.clone());
        tracing::subscriber::set_default(tracing_subscriber::registry().with(filter(level)).with(lines))
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
