//! Git's smart HTTP protocol over [`Http`], as gix wants to see it.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read as _};
use std::rc::Rc;

use bstr::{BStr, ByteSlice as _};
use gix::protocol::transport::client::blocking_io::{HandleProgress, RequestWriter, SetServiceResponse, Transport as BlockingTransport};
use gix::protocol::transport::client::capabilities::blocking_recv::Handshake;
use gix::protocol::transport::client::{self, MessageKind, TransportWithoutIO, WriteMode};
use gix::protocol::transport::packetline::PacketLineRef;
use gix::protocol::transport::packetline::blocking_io::StreamingPeekableIter;
use gix::protocol::transport::{Protocol, Service};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use url::Url;

use super::Error;
use super::http::{Body, Http, Post, headers};

const VERSION_HEADER: HeaderName = HeaderName::from_static("git-protocol");
const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";
const REQUEST: &str = "application/x-git-upload-pack-request";
const RESULT: &str = "application/x-git-upload-pack-result";
const INFO_REFS: &str = "/info/refs";

/// One conversation with a remote's upload-pack.
pub(super) struct Transport {
    http: Rc<Http>,
    /// The repository; after a redirect, where it led to.
    base: Rc<RefCell<Url>>,
    shown: String,
    version: Protocol,
    lines: Option<StreamingPeekableIter<Body>>,
}

impl Transport {
    pub(super) fn new(http: Rc<Http>, mut base: Url) -> Self {
        base.set_query(None);
        base.set_fragment(None);
        let shown = http.wire.url.clone();
        Self { http, base: Rc::new(RefCell::new(base)), shown, version: Protocol::V2, lines: None }
    }

    /// Where the repository is, now and after what is asked next.
    pub(super) fn base(&self) -> Rc<RefCell<Url>> {
        Rc::clone(&self.base)
    }

    /// `suffix` below the repository.
    fn below(&self, suffix: &str) -> Url {
        let mut url = self.base.borrow().clone();
        let path = format!("{}{suffix}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// Asks for the advertisement and notes where redirects led to.
    fn advertisement(&mut self) -> Result<Body, Error> {
        let mut url = self.below(INFO_REFS);
        url.set_query(Some("service=git-upload-pack"));
        let (mut end, response) = self.http.get(url, &headers([(VERSION_HEADER, "version=2")]))?;
        let not_git = || Error::RepositoryNotFound { url: self.shown.clone() };
        if response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != ADVERTISEMENT) {
            return Err(not_git());
        }
        let path = end.path().strip_suffix(INFO_REFS).ok_or_else(not_git)?.to_owned();
        end.set_path(&path);
        end.set_query(None);
        *self.base.borrow_mut() = end;
        Ok(Body::open(Rc::clone(&self.http), response))
    }
}

impl TransportWithoutIO for Transport {
    fn to_url(&self) -> Cow<'_, BStr> {
        Cow::Borrowed(self.shown.as_bytes().as_bstr())
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        false
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result<()> {
        Ok(())
    }
}

impl BlockingTransport for Transport {
    fn handshake<'a>(
        &mut self,
        _service: Service,
        _parameters: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<SetServiceResponse<'_>, client::Error> {
        let body = self.advertisement().map_err(|error| client::Error::Io(self.http.wire.fail(error)))?;
        let lines = self.lines.insert(StreamingPeekableIter::new(body, &[PacketLineRef::Flush], false));
        let first = lines.peek_line().ok_or(client::Error::ExpectedLine("capabilities, version or service"))???;
        let announced = first.as_text().ok_or(client::Error::ExpectedLine("text"))?.as_bstr().starts_with(b"# service=");
        if announced {
            lines.as_read().read_to_end(&mut Vec::new())?;
        }
        // Version 1 is version 0 after a line that says so.
        let names_version = |line: &[u8]| line.trim_ascii_end() == b"version 1";
        if let Some(Ok(Ok(line))) = lines.peek_line()
            && line.as_slice().is_some_and(names_version)
        {
            lines.read_line();
        }
        let Handshake { capabilities, refs, protocol } = Handshake::from_lines_with_version_detection(lines)?;
        self.version = protocol;
        Ok(SetServiceResponse { actual_protocol: protocol, capabilities, refs })
    }

    fn request(&mut self, mode: WriteMode, on_read: MessageKind, trace: bool) -> Result<RequestWriter<'_>, client::Error> {
        let mut headers = headers([(CONTENT_TYPE, REQUEST), (ACCEPT, RESULT)]);
        if self.version == Protocol::V2 {
            headers.insert(VERSION_HEADER, HeaderValue::from_static("version=2"));
        }
        let request = Rc::<RefCell<Vec<u8>>>::default();
        let post = Post { url: self.below("/git-upload-pack"), headers, body: Rc::clone(&request), answer: RESULT };
        let body = Body::unsent(Rc::clone(&self.http), post);
        // Without a handshake the server is known to speak the version that this begins with.
        let lines = self
            .lines
            .get_or_insert_with(|| StreamingPeekableIter::new(Body::empty(Rc::clone(&self.http)), &[PacketLineRef::Flush], false));
        lines.replace(body);
        // Within a pack, no packet begins like an error.
        lines.fail_on_err_lines(true);
        let reader = Box::new(lines.as_read_without_sidebands::<HandleProgress<'_>>());
        Ok(RequestWriter::new_from_bufread(Collector(request), reader, mode, on_read, trace))
    }
}

/// Takes the request's bytes; the reading side sends them.
struct Collector(Rc<RefCell<Vec<u8>>>);

impl io::Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
