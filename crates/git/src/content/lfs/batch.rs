//! The batch API: ask where objects are, then get them.

use std::collections::HashMap;

use bstr::ByteSlice as _;
use futures::{StreamExt as _, TryStreamExt as _};
use headwater_http::{Body, is_safe_redirect};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::endpoint::Endpoint;
use super::message::{Answer, Named, Object, Problem, Question, Refusal, theirs};
use super::object::Incoming;
use super::web::{Access, Request, Web};
use super::{Place, Wanted};
use crate::Error;

const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";
/// The most objects that are asked for at once.
const MOST_OBJECTS: usize = 100;
/// The most bytes of an answer about that many.
const MAX_ANSWER: u64 = 4 << 20;
/// The most bytes of an answer that says why there is none.
const MAX_REFUSAL: u64 = 64 << 10;
/// How many objects come at once.
const CONCURRENCY: usize = 4;

/// How to get one object.
struct Download<'w> {
    wanted: &'w Wanted,
    request: Request,
    until: Option<Instant>,
}

/// Where an answer came from, and when it was asked for.
struct Answered {
    base: Url,
    asked: Instant,
}

/// Fetches objects from the LFS server.
pub(super) async fn fetch(place: &Place<'_>, config: Option<&[u8]>, wanted: &[&Wanted]) -> Result<(), Error> {
    let (empty, wanted): (Vec<&Wanted>, Vec<&Wanted>) = wanted.iter().partition(|one| one.pointer.size == 0);
    for one in empty {
        let incoming = Incoming::new(place.folder, &one.pointer).map_err(|error| place.disk(&error))?;
        incoming.finish().await.map_err(|flaw| place.not_kept(one, &flaw))?;
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let visit = Visit { endpoint: Endpoint::new(place, config)?, web: Web::new(place)? };
    for batch in wanted.chunks(MOST_OBJECTS) {
        // What was not begun before its address expired is asked for once more.
        let late = visit.round(batch).await?;
        let late = if late.is_empty() { late } else { visit.round(&late).await? };
        if let Some(one) = late.first() {
            return Err(place.flawed(one.path.as_bstr(), "the Git LFS server sends us to an address that has expired already"));
        }
    }
    Ok(())
}

struct Visit<'a> {
    endpoint: Endpoint,
    web: Web<'a>,
}

impl Visit<'_> {
    /// Gets objects, but for those whose addresses expired meanwhile, which are returned.
    async fn round<'w>(&self, wanted: &[&'w Wanted]) -> Result<Vec<&'w Wanted>, Error> {
        let downloads = self.ask(wanted).await?;
        let gets: Vec<_> = downloads.into_iter().map(|download| self.get(download)).collect();
        let late: Vec<_> = futures::stream::iter(gets).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(late.into_iter().flatten().collect())
    }

    /// Asks where objects are.
    async fn ask<'w>(&self, wanted: &[&'w Wanted]) -> Result<Vec<Download<'w>>, Error> {
        let objects = wanted.iter().map(|one| Named { oid: &one.pointer.oid, size: one.pointer.size }).collect();
        let question = Question { operation: "download", transfers: ["basic"], objects, hash_algo: "sha256" };
        let body = serde_json::to_vec(&question).map_err(|error| self.corrupt(&error.to_string()))?;
        let media = HeaderValue::from_static(MEDIA_TYPE);
        let headers = HeaderMap::from_iter([(ACCEPT, media.clone()), (CONTENT_TYPE, media)]);
        let url = self.endpoint.batch.clone();
        let request = Request { method: Method::POST, url, headers, own: HeaderMap::new(), access: Access::Remote, body };
        let asked = Instant::now();
        let body = self.web.send(&request).await?;
        let answered = Answered { base: body.response().url().clone(), asked };
        let answer = self.answer(body).await?;
        let mut objects: HashMap<String, Object> = answer.objects.into_iter().map(|object| (object.oid.clone(), object)).collect();
        wanted.iter().map(|one| self.download(one, objects.remove(&one.pointer.oid), &answered)).collect()
    }

    async fn answer(&self, body: Body) -> Result<Answer, Error> {
        let response = body.response();
        if response.status() != StatusCode::OK {
            return Err(self.refused(body).await?);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("nothing that it names");
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != MEDIA_TYPE && kind != "application/json" {
            let kind = self.web.quote(&kind);
            return Err(self.corrupt(&format!("it answers with {kind} instead of {MEDIA_TYPE}")));
        }
        let encoded = encoding(response);
        if !encoded.is_empty() {
            return Err(self.corrupt(&format!("it answers{encoded}")));
        }
        let body = self.web.body(body, MAX_ANSWER).await?;
        let body = body.ok_or_else(|| self.corrupt(&format!("its answer has more than {MAX_ANSWER} bytes")))?;
        // What serde says can hold words of the answer.
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            self.corrupt(&format!("its answer is not as specified, at line {} column {}", error.line(), error.column()))
        })?;
        if answer.transfer.as_ref().is_some_and(|transfer| !matches!(transfer.as_str(), "" | "basic")) {
            return Err(self.corrupt("it insists on a kind of transfer that is not supported"));
        }
        if answer.hash_algo.as_ref().is_some_and(|name| !matches!(name.as_str(), "" | "sha256")) {
            return Err(self.corrupt("it names objects by another digest than SHA-256"));
        }
        Ok(answer)
    }

    async fn refused(&self, body: Body) -> Result<Error, Error> {
        let (status, url) = (body.response().status(), self.web.place.url.clone());
        if status == StatusCode::UNAUTHORIZED {
            return Ok(Error::AuthenticationRequired { url });
        }
        let body = self.web.body(body, MAX_REFUSAL).await?.unwrap_or_default();
        let words = serde_json::from_slice::<Refusal>(&body).map(|refusal| self.web.quote(&refusal.message));
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        let hint = self.endpoint.hint;
        Ok(match status {
            StatusCode::FORBIDDEN if words.is_empty() => Error::AuthorizationFailed { url },
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                self.web.place.unreachable(format!("there is no Git LFS server for the repository ({status}){words}{hint}"))
            }
            status => self.web.place.unreachable(format!("the Git LFS server answers {status}{words}")),
        })
    }

    /// Checks what the server says of one object.
    fn download<'w>(&self, wanted: &'w Wanted, object: Option<Object>, answered: &Answered) -> Result<Download<'w>, Error> {
        let (oid, hint) = (&wanted.pointer.oid, self.endpoint.hint);
        let flawed = |message: String| self.web.place.flawed(wanted.path.as_bstr(), message);
        let object = object.ok_or_else(|| flawed(format!("the Git LFS server does not say where the object {oid} is{hint}")))?;
        if let Some(Problem { code, message }) = object.error {
            let words = self.web.quote(&message.unwrap_or_default());
            let words = if words.is_empty() { words } else { format!(": {words}") };
            return Err(flawed(format!("the Git LFS server has no object {oid} for us ({code}){words}{hint}")));
        }
        let action = object.actions.and_then(|actions| actions.download);
        let action = action.ok_or_else(|| flawed(format!("the Git LFS server does not say where the object {oid} is{hint}")))?;
        let url = answered.base.join(&action.href).ok().filter(|url| is_safe_redirect(&answered.base, url));
        let url = url.ok_or_else(|| flawed("the Git LFS server sends us to an address that is not usable or not encrypted".into()))?;
        let own =
            theirs(action.header.as_ref()).ok_or_else(|| flawed("the Git LFS server wants a header that HTTP cannot carry".into()))?;
        let theirs = object.authenticated == Some(true) || own.contains_key(reqwest::header::AUTHORIZATION);
        let access = if theirs { Access::Own } else { Access::Remote };
        let until = action.expiry(answered.asked);
        let request = Request { method: Method::GET, url, headers: HeaderMap::new(), own, access, body: Vec::new() };
        Ok(Download { wanted, request, until })
    }

    /// Gets one object, or returns it where its address has expired.
    async fn get<'w>(&self, Download { wanted, request, until }: Download<'w>) -> Result<Option<&'w Wanted>, Error> {
        let (web, place) = (&self.web, self.web.place);
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Some(wanted));
        }
        let mut body = web.send(&request).await?;
        let oid = &wanted.pointer.oid;
        let status = body.response().status();
        if status != StatusCode::OK {
            let message = format!("the object {oid} cannot be had from where the Git LFS server sends us ({status})");
            return Err(place.flawed(wanted.path.as_bstr(), message));
        }
        let encoded = encoding(body.response());
        let not_kept = |flaw| match place.not_kept(wanted, &flaw) {
            Error::Lfs { url, path, message } => Error::Lfs { url, path, message: format!("{message}{}", after_comma(encoded)) },
            other => other,
        };
        let mut incoming = Incoming::new(place.folder, &wanted.pointer).map_err(|error| place.disk(&error))?;
        while let Some(chunk) = web.chunk(&mut body).await? {
            incoming.write(chunk.as_ref()).await.map_err(not_kept)?;
        }
        incoming.finish().await.map_err(not_kept)?;
        Ok(None)
    }

    fn corrupt(&self, message: &str) -> Error {
        let message = format!("the Git LFS server makes no sense: {message}{}", self.endpoint.hint);
        Error::Corrupt { url: self.web.place.url.clone(), message }
    }
}

/// What to say of an answer that is not sent as it is, though nothing else was asked for.
fn encoding(response: &Response) -> &'static str {
    match response.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => "",
        Some(b"gzip" | b"x-gzip") => " compressed with gzip, which was not asked for",
        Some(_) => " compressed, which was not asked for",
    }
}

fn after_comma(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(", and it comes{text}") }
}
