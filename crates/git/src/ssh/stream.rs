//! The two directions of a remote command, as blocking streams.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;

use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio_util::bytes::{Buf as _, Bytes};

use super::visitor::{LastWords, Visitor};
use crate::Error;
use crate::wire::{Expect, Wire};

/// The most bytes of what a remote command complains about.
const MAX_COMPLAINT: usize = 8 << 10;
/// As many bytes of a request are collected before they are sent.
const CHUNK: usize = 32 << 10;
/// `SSH_EXTENDED_DATA_STDERR` (RFC 4254, 5.2).
const STDERR: u32 = 1;
/// What servers say of repositories that are not there, or that must not be seen.
const NOT_FOUND: [&str; 5] = [
    "does not appear to be a git repository",
    "repository not found",
    "repository does not exist",
    "no such repository",
    "the project you were looking for could not be found",
];

/// A connection, which ends when this is dropped: its socket is closed, and its task is gone.
pub(super) struct Line {
    pub(super) wire: Rc<Wire>,
    pub(super) socket: TcpStream,
    /// Missing until the handshake is done.
    pub(super) session: Option<Handle<Visitor>>,
    pub(super) last_words: LastWords,
}

impl Drop for Line {
    fn drop(&mut self) {
        // It is closed already if this fails.
        let _ = self.socket.shutdown(Shutdown::Both);
        let handle = self.wire.handle();
        let _guard = handle.enter();
        if let Some(session) = self.session.take() {
            // Ends at once, now that there is no socket. A timer would panic while a runtime shuts down.
            let _ = handle.block_on(session);
        }
    }
}

/// A running remote command. Fields are dropped in this order.
pub(super) struct Command {
    read: RefCell<ChannelReadHalf>,
    write: ChannelWriteHalf<Msg>,
    /// Parts of a request that are not sent yet.
    unsent: RefCell<Vec<u8>>,
    /// How often something was sent.
    requests: Cell<u64>,
    complaint: RefCell<Vec<u8>>,
    status: RefCell<Option<String>>,
    line: Line,
}

impl Command {
    pub(super) fn new(line: Line, (read, write): (ChannelReadHalf, ChannelWriteHalf<Msg>)) -> Self {
        Self {
            read: RefCell::new(read),
            write,
            unsent: RefCell::default(),
            requests: Cell::new(0),
            complaint: RefCell::default(),
            status: RefCell::default(),
            line,
        }
    }

    fn wire(&self) -> &Wire {
        &self.line.wire
    }

    /// Starts `command` and asks it to speak the newest protocol; a server may ignore that.
    pub(super) fn start(&self, command: &[u8]) -> Result<(), Error> {
        let started = self.wire().wait("git-upload-pack to start", async {
            self.write.set_env(false, "GIT_PROTOCOL", "version=2").await?;
            self.write.exec(true, command).await
        })?;
        if started.is_err() {
            return Err(self.end(0));
        }
        loop {
            match self.next()? {
                Some(ChannelMsg::Success) => return Ok(()),
                Some(ChannelMsg::Failure) => {
                    let message = "ssh: the server refuses to run git-upload-pack for this key".to_owned();
                    return Err(self.wire().unreachable(message));
                }
                Some(message) => self.note(message),
                None => return Err(self.end(0)),
            }
        }
    }

    /// The next message; nothing when the channel is closed.
    fn next(&self) -> Result<Option<ChannelMsg>, Error> {
        let mut read = self.read.borrow_mut();
        let message = self.wire().wait("more of the answer", read.wait())?;
        Ok(message.filter(|message| !matches!(message, ChannelMsg::Close)))
    }

    fn note(&self, message: ChannelMsg) {
        match message {
            ChannelMsg::ExtendedData { data, ext: STDERR } => {
                let mut complaint = self.complaint.borrow_mut();
                let room = MAX_COMPLAINT - complaint.len();
                complaint.extend(data.iter().take(room));
            }
            ChannelMsg::ExitStatus { exit_status } => *self.status.borrow_mut() = Some(format!("status {exit_status}")),
            ChannelMsg::ExitSignal { signal_name, .. } => *self.status.borrow_mut() = Some(format!("signal {signal_name:?}")),
            _ => {}
        }
    }

    /// Sends what was collected.
    fn send(&self) -> Result<(), Error> {
        let unsent = self.unsent.take();
        if unsent.is_empty() {
            return Ok(());
        }
        self.requests.set(self.requests.get() + 1);
        match self.wire().wait("the server to take the request", self.write.data_bytes(unsent))? {
            Ok(()) => Ok(()),
            Err(_) => Err(self.end(0)),
        }
    }

    /// Why there is no more, after `read` bytes of an answer.
    fn end(&self, read: u64) -> Error {
        let wire = self.wire();
        let complaint = self.complaint.borrow();
        let complaint = String::from_utf8_lossy(&complaint);
        let lower = complaint.to_ascii_lowercase();
        if NOT_FOUND.iter().any(|words| lower.contains(words)) {
            return Error::RepositoryNotFound { url: wire.url.clone() };
        }
        let words: Vec<_> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if !words.is_empty() {
            return wire.unreachable(wire.quote(format!("the server says: {}", words.join("; "))));
        }
        let message = match (&*self.status.borrow(), self.line.last_words.get()) {
            (Some(status), _) => format!("git-upload-pack ended with {status} after {read} bytes"),
            (None, Some(words)) => format!("the connection broke after {read} bytes: {words}"),
            (None, None) => format!("the connection broke after {read} bytes"),
        };
        wire.unreachable(wire.quote(message))
    }
}

/// What a command writes.
pub(super) struct Reader {
    command: Rc<Command>,
    chunk: Bytes,
    /// Which answer is read: what it is, and how many requests were sent before it.
    answer: (Expect, u64),
    /// How many bytes of it were read.
    read: u64,
    total: u64,
    over: bool,
}

impl Reader {
    pub(super) fn new(command: Rc<Command>) -> Self {
        Self { command, chunk: Bytes::new(), answer: (Expect::Refs, 0), read: 0, total: 0, over: false }
    }

    /// Makes sure that there is something to read, unless all was read.
    fn advance(&mut self) -> Result<(), Error> {
        self.command.send()?;
        while self.chunk.is_empty() && !self.over {
            match self.command.next()? {
                Some(ChannelMsg::Data { data }) => {
                    let answer = (self.command.wire().expect.get(), self.command.requests.get());
                    if answer != self.answer {
                        (self.answer, self.read) = (answer, 0);
                    }
                    self.read += data.len() as u64;
                    self.total += data.len() as u64;
                    self.chunk = data;
                    self.command.wire().check_size(answer.0, self.read)?;
                }
                Some(message) => self.command.note(message),
                None => {
                    self.over = true;
                    let ended_well = self.command.status.borrow().as_deref() == Some("status 0");
                    if !ended_well || self.total == 0 {
                        return Err(self.command.end(self.total));
                    }
                }
            }
        }
        Ok(())
    }
}

impl io::Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Err(error) = self.advance() {
            self.over = true;
            self.chunk.clear();
            return Err(self.command.wire().fail(error));
        }
        let length = out.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}

/// What a command reads: collected, and sent when it is much, when it is complete, or when an answer is waited for.
pub(super) struct Writer(pub(super) Rc<Command>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let collected = {
            let mut unsent = self.0.unsent.borrow_mut();
            unsent.extend_from_slice(bytes);
            unsent.len()
        };
        if collected >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.send().map_err(|error| self.0.wire().fail(error))
    }
}
