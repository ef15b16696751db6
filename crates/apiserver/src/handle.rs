//! From a request to an answer.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use futures::StreamExt as _;
use headwater_golang::quote;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;

use super::delete::{self, DeleteOptions};
use super::kind::{Kind, Origin, Status};
use super::refusal::Refusal;
use super::request::{self, BODY_LIMIT, Query, Target, WriteOptions};
use super::selector::Selector;
use super::store::Key;
use super::watch::{self, Watched};
use super::write::{self, Part, PatchForm, Write};
use super::{ApiServer, admit, discovery, openapi, protobuf, read, view};

/// Paths that tell if the server is there.
const HEALTH: [&str; 3] = ["/healthz", "/readyz", "/livez"];
/// Parts of objects that real clusters have and this one has not.
const ABSENT: [&str; 7] = ["scale", "token", "finalize", "approval", "eviction", "log", "exec"];

/// The most bytes of all warnings of an answer together.
const WARNINGS_BYTES: usize = 4096;
/// The most warnings of an answer: clients take few headers.
const WARNINGS: usize = 50;
/// The most bytes that are read of a body that is refused.
const BODY_READ: usize = 16 << 20;
/// The longest time that a body takes to arrive.
const BODY_PATIENCE: Duration = Duration::from_mins(1);

/// Answers requests that end in a panic.
pub fn contain<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(CatchPanicLayer::custom(answer_panic))
}

/// Logs a panic, and answers that there was one.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn answer_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(error = text.unwrap_or_default(), "a request ended in a panic");
    Refusal::internal("Internal error occurred: the request ended in a panic; please report this").response()
}

/// Answers a request that came over the network.
pub async fn over_network(State(server): State<ApiServer>, request: Request) -> Response<Body> {
    if !HEALTH.contains(&request.uri().path()) {
        let headers = request.headers();
        let given =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|given| given.strip_prefix("Bearer "));
        match server.token() {
            Some(token) if !given.is_some_and(|given| same(given, token)) => return Refusal::unauthorized().response(),
            None if !is_local(headers) => return Refusal::foreign().response(),
            _ => {}
        }
    }
    in_process(State(server), request).await
}

/// True if a request that needs no token comes from a client of this machine, and not from a page in a browser, which may be anyone's: pages say
/// where they come from, and those that had a name of their own lead here still call this server by that name.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return !headers.contains_key(header::ORIGIN) };
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let name = host.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    !headers.contains_key(header::ORIGIN) && (name == "localhost" || address.is_ok())
}

/// Compares in a time that does not depend on where the texts differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// Answers any request.
pub async fn in_process(State(server): State<ApiServer>, request: Request) -> Response<Body> {
    match answer(&server, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(),
    }
}

async fn answer(server: &ApiServer, request: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = request.into_parts();
    let Some(target) = Target::parse(parts.uri.path()) else { return fixed(server, &parts) };
    let kinds = server.kinds();
    let Some(kind) = kinds.find(&target.group, &target.version, &target.plural) else {
        return if target.group.is_empty() { Err(Refusal::no_resource()) } else { Ok(nothing_here()) };
    };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let part = part(&kind, &target)?;
    if target.namespace.is_some() && !kind.is_namespaced() {
        return Err(Refusal::no_resource());
    }
    let in_no_namespace = kind.is_namespaced() && target.namespace.is_none();
    match (parts.method.clone(), target.name.is_some()) {
        (Method::GET | Method::HEAD, _) => get(server, kind, &target, query, &parts).await,
        (_, true) if in_no_namespace => Err(Refusal::method_not_allowed()),
        (Method::POST, false) if in_no_namespace && kind.origin == Origin::BuiltIn => Err(Refusal::method_not_allowed()),
        (Method::POST, false) if in_no_namespace => Ok(nothing_here()),
        (Method::POST, false) | (Method::PUT, true) => {
            let body = read_body(body).await?;
            let is_new = parts.method == Method::POST;
            let options = if is_new { "CreateOptions" } else { "UpdateOptions" };
            let mut write = writing(server, kind, &target, part, &query, &parts, options)?;
            let object = decoded(&mut write, &body, &parts)?;
            let written = if is_new { write.create(object).await? } else { write.update(object).await? };
            answered(&write, written, &parts)
        }
        (Method::PUT | Method::PATCH, false) => Err(Refusal::bad_request("name must be provided")),
        (Method::PATCH, true) => {
            let body = read_body(body).await?;
            let form = patch_form(&kind, &parts)?;
            let mut write = writing(server, kind, &target, part, &query, &parts, "PatchOptions")?;
            check_patch(&write.options, form)?;
            let change = write::read_patch(&body, form)?;
            if form != PatchForm::Json {
                write.refuse_duplicates(&body, request::media_type(&parts.headers))?;
            }
            let written = write.patch(form, change).await?;
            answered(&write, written, &parts)
        }
        (Method::DELETE, named) if part == Part::Main && (named || kind.resource() != "namespaces") => {
            let body = read_body(body).await?;
            let options = delete_options(&body, &query, &parts)?;
            let answer = if named {
                let key = key(&kind, &target);
                delete::delete(server, &kind, &key, &options).await?.to_string().into()
            } else {
                let selector = selector(&kind, &query)?;
                let items = delete::delete_all(server, &kind, target.namespace.as_deref(), &selector, &options).await?;
                read::deleted(server.store(), &kind, &items)?
            };
            Ok(json(StatusCode::OK, answer))
        }
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// Answers that are not about objects: discovery, descriptions, health.
fn fixed(server: &ApiServer, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let path = parts.uri.path();
    if HEALTH.contains(&path) {
        return Ok(text(StatusCode::OK, "ok"));
    }
    let kinds = server.kinds();
    let accept = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let known = discovery::answer(path, accept, kinds.all()).or_else(|| openapi::answer(path, accept, kinds.all()));
    let Some((content_type, value)) = known else { return Ok(nothing_here()) };
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(Refusal::method_not_allowed());
    }
    let mut response = json(StatusCode::OK, value.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

async fn get(server: &ApiServer, kind: Arc<Kind>, target: &Target, query: Query, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let shape = request::shape(&parts.headers)?;
    if target.name.is_some() && kind.is_namespaced() && target.namespace.is_none() {
        return if kind.origin == Origin::BuiltIn { Err(Refusal::no_resource()) } else { Ok(nothing_here()) };
    }
    if target.name.is_some() {
        return Ok(json(StatusCode::OK, read::get(server.store(), &kind, &key(&kind, target), shape)?.into()));
    }
    let selector = selector(&kind, &query)?;
    if query.is_on("watch") {
        let watched = Watched { kind, namespace: target.namespace.clone(), selector, shape };
        return watch::watch(server.store(), watched, &query, server.stop().clone()).await;
    }
    // A long list takes a while to read, which is not to keep others waiting.
    let (store, namespace) = (server.store().clone(), target.namespace.clone());
    let list = move || read::list(&store, &kind, namespace.as_deref(), &selector, &query, shape);
    let list = tokio::task::spawn_blocking(list).await.map_err(|_| Refusal::internal("the list could not be read"))??;
    Ok(json(StatusCode::OK, list))
}

fn selector(kind: &Kind, query: &Query) -> Result<Selector, Refusal> {
    Selector::parse(query.text("labelSelector"), query.text("fieldSelector"), admit::selectable(kind)).map_err(Refusal::bad_request)
}

fn key(kind: &Kind, target: &Target) -> Key {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    Key { resource: kind.resource(), namespace: text(&target.namespace), name: text(&target.name) }
}

fn part(kind: &Kind, target: &Target) -> Result<Part, Refusal> {
    match target.subresource.as_deref() {
        None => Ok(Part::Main),
        Some("status") if kind.status == Status::Subresource => Ok(Part::Status),
        Some(absent) if ABSENT.contains(&absent) => Err(Refusal::not_implemented(&format!("{}/{absent}", kind.plural))),
        Some(_) => Err(Refusal::no_resource()),
    }
}

fn writing<'a>(
    server: &'a ApiServer,
    kind: Arc<Kind>,
    target: &'a Target,
    part: Part,
    query: &Query,
    parts: &Parts,
    options: &str,
) -> Result<Write<'a>, Refusal> {
    let options = WriteOptions::parse(query, &parts.headers, options)?;
    Ok(Write { server, kind, target, part, options, warnings: Vec::new() })
}

async fn read_body(body: Body) -> Result<Bytes, Refusal> {
    let reading = tokio::time::timeout(BODY_PATIENCE, read_whole(body));
    reading.await.map_err(|_| Refusal::bad_request("the body did not arrive in time"))?
}

/// Reads on where the body is somewhat too long: many clients listen only when they have sent everything.
async fn read_whole(body: Body) -> Result<Bytes, Refusal> {
    if axum::body::HttpBody::size_hint(&body).lower() > BODY_READ as u64 {
        return Err(Refusal::too_large(BODY_LIMIT));
    }
    let (mut read, mut size) = (Vec::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Refusal::bad_request(format!("the body ended early: {error}")))?;
        size += chunk.len();
        if size > BODY_READ {
            break;
        }
        if size <= BODY_LIMIT {
            read.extend_from_slice(&chunk);
        }
    }
    if size > BODY_LIMIT { Err(Refusal::too_large(BODY_LIMIT)) } else { Ok(read.into()) }
}

/// The object in a body.
fn decoded(write: &mut Write<'_>, body: &[u8], parts: &Parts) -> Result<Value, Refusal> {
    let media = request::media_type(&parts.headers);
    let kind = &write.kind;
    if media == request::PROTOBUF && kind.origin == Origin::BuiltIn {
        return protobuf::decode(body).map_err(|error| match error {
            protobuf::DecodeError::Kind { .. } => Refusal::media_type("application/json, application/yaml"),
            error => Refusal::bad_request(format!("the object provided is unrecognized (must be of type {}): {error}", kind.kind)),
        });
    }
    if !["application/json", "application/yaml", ""].contains(&media) {
        return Err(Refusal::media_type("application/json, application/yaml, application/vnd.kubernetes.protobuf"));
    }
    let unrecognized = |why: &str| {
        let start = String::from_utf8_lossy(&body[..body.len().min(24)]).into_owned();
        let shown = if body.len() > 24 { format!("{start} ...") } else { start };
        let why = format!("the object provided is unrecognized (must be of type {}): {why} ({shown})", kind.kind);
        Refusal::bad_request(why)
    };
    let value = request::value(body, media).map_err(|why| unrecognized(&format!("couldn't get version/kind; json parse error: {why}")))?;
    if !value.is_object() {
        return Err(unrecognized("couldn't get version/kind; json parse error: it is not an object"));
    }
    if kind.origin == Origin::Custom && !value["kind"].is_string() {
        let text = String::from_utf8_lossy(body);
        return Err(unrecognized(&format!("Object 'Kind' is missing in '{text}'")));
    }
    write.refuse_duplicates(body, media)?;
    Ok(value)
}

fn patch_form(kind: &Kind, parts: &Parts) -> Result<PatchForm, Refusal> {
    let built_in = kind.origin == Origin::BuiltIn;
    match request::media_type(&parts.headers) {
        "application/merge-patch+json" => Ok(PatchForm::Merge),
        "application/json-patch+json" => Ok(PatchForm::Json),
        "application/strategic-merge-patch+json" if built_in => Ok(PatchForm::Strategic),
        request::APPLY => Ok(PatchForm::Apply),
        _ if built_in => Err(Refusal::media_type(
            "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
        )),
        _ => Err(Refusal::media_type("application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")),
    }
}

fn check_patch(options: &WriteOptions, form: PatchForm) -> Result<(), Refusal> {
    match form {
        PatchForm::Apply if !options.named => {
            Err(Refusal::options("PatchOptions", "FieldValueRequired", "fieldManager", "Required value: is required for apply patch"))
        }
        PatchForm::Apply => Ok(()),
        _ if options.force.is_some() => {
            Err(Refusal::options("PatchOptions", "FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch"))
        }
        _ => Ok(()),
    }
}

fn delete_options(body: &[u8], query: &Query, parts: &Parts) -> Result<DeleteOptions, Refusal> {
    let dry_run = WriteOptions::parse(query, &parts.headers, "DeleteOptions")?.dry_run;
    let body = match request::media_type(&parts.headers) {
        _ if body.is_empty() => Value::Null,
        request::PROTOBUF => protobuf::decode(body).map_err(|error| Refusal::bad_request(error.to_string()))?,
        media => request::value(body, media).map_err(|why| Refusal::bad_request(format!("DeleteOptions: {why}")))?,
    };
    let (kind, version) = (body["kind"].as_str().unwrap_or_default(), body["apiVersion"].as_str().unwrap_or_default());
    if !["", "DeleteOptions"].contains(&kind) {
        let why = format!("no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"", quote(kind), quote(version));
        return Err(Refusal::bad_request(why));
    }
    DeleteOptions::parse(query, &body, dry_run)
}

fn answered(write: &Write<'_>, written: write::Written, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let shape = request::shape(&parts.headers)?;
    let object = view::shaped(&write.kind, written.object, shape, true);
    let mut response = json(status, object.to_string().into());
    let deprecated = write.kind.deprecation.iter();
    let mut told = 0;
    for warning in deprecated.chain(&write.warnings).take(WARNINGS) {
        told += warning.len();
        if told > WARNINGS_BYTES {
            break;
        }
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(response)
}

fn json(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn nothing_here() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_with_a_status() {
        async fn panicking() -> StatusCode {
            panic!("of {}", "some kind")
        }
        let client = kube::Client::new(contain(Router::new().fallback(panicking)), "default");
        for _ in 0..2 {
            let request = axum::http::Request::get("/api").body(Vec::new()).unwrap();
            let Err(kube::Error::Api(status)) = client.request::<Value>(request).await else { panic!("no Status") };
            assert_eq!((status.code, status.reason.as_str()), (500, "InternalError"));
            assert!(status.message.contains("please report this") && !status.message.contains("some kind"), "{}", status.message);
        }
    }

    fn local(headers: &[(&str, &str)]) -> bool {
        let pairs = headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?)));
        is_local(&HeaderMap::from_iter(pairs.collect::<Vec<(header::HeaderName, _)>>()))
    }

    #[test]
    fn pages_in_browsers_are_no_clients_of_this_machine() {
        for host in ["127.0.0.1:7070", "localhost:7070", "localhost", "[::1]:7070", "10.1.2.3"] {
            assert!(local(&[("host", host)]), "{host}");
            assert!(!local(&[("host", host), ("origin", "http://example.com")]), "{host}");
        }
        for host in ["example.com:7070", "localhost.example.com", "127.0.0.1.example.com", "user@example.com", "a b"] {
            assert!(!local(&[("host", host)]), "{host}");
        }
    }
}
