//! What is answered when a request is not carried out: a `Status` of the Kubernetes API.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use headwater_golang::quote;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::schema::{self, Cause};
use super::store::StoreError;

/// An answer that says no.
#[derive(Debug)]
pub struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    /// For an answer that ends a list whose pages are gone: where to go on.
    next: Option<String>,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, next: None }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        let mut details = Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.into(), value.into());
            }
        }
        self.details = Some(Value::Object(details));
        self
    }

    /// The object is not there.
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {} not found", kind.resource(), quote(name))).about(&kind.group, &kind.plural, name)
    }

    /// There is an object of that name.
    pub fn exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {} already exists", kind.resource(), quote(name))).about(
            &kind.group,
            &kind.plural,
            name,
        )
    }

    /// The object is no longer what the request was computed from.
    pub fn modified(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(&kind.group, &kind.plural, name, why)
    }

    /// A precondition of a deletion does not hold.
    pub fn precondition(kind: &Kind, name: &str, why: &str) -> Self {
        Self::conflict(&kind.group, &kind.kind, name, why)
    }

    fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {}: {why}", qualified(resource, group), quote(name));
        Self::new(409, "Conflict", message).about(group, resource, name)
    }

    /// Fields belong to other managers.
    pub fn managed(message: String, conflicts: impl Iterator<Item = (String, String)>) -> Self {
        let causes: Vec<_> =
            conflicts.map(|(message, field)| json!({"reason": "FieldManagerConflict", "message": message, "field": field})).collect();
        Self { details: Some(json!({"causes": causes})), ..Self::new(409, "Conflict", message) }
    }

    /// The object is not valid.
    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        Self::unacceptable(&kind.group, &kind.kind, name, causes)
    }

    /// Parameters of the request are not valid; `options` is their kind, such as `PatchOptions`.
    pub fn options(options: &str, reason: &'static str, field: &str, message: &str) -> Self {
        Self::unacceptable("meta.k8s.io", options, "", &[Cause { reason, message: message.into(), field: field.into() }])
    }

    /// Any set of causes about any thing.
    pub fn unacceptable(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let message = schema::told(causes, &qualified(kind, group), name);
        let mut refusal = Self::new(422, "Invalid", message).about(group, kind, name);
        let causes: Vec<_> = causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect();
        if let Some(details) = &mut refusal.details {
            details["causes"] = causes.into();
        }
        refusal
    }

    /// A patch that cannot be carried out on this object.
    pub fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self { details: Some(json!({})), ..Self::new(422, "Invalid", message) }
    }

    /// The request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The request may not be carried out on this object.
    pub fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{} {} is forbidden: {why}", kind.resource(), quote(name));
        Self::new(403, "Forbidden", message).about(&kind.group, &kind.plural, name)
    }

    /// The same, with a cause that programs can read.
    pub fn because(mut self, reason: &str, field: &str, message: &str) -> Self {
        if let Some(details) = &mut self.details {
            details["causes"] = json!([{"reason": reason, "message": message, "field": field}]);
        }
        self
    }

    /// No or a wrong token.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// A page in a browser, or a name that is not this machine's.
    pub fn foreign() -> Self {
        let why = "forbidden: without a token this server answers clients of this machine only, called by its address or localhost";
        Self::new(403, "Forbidden", why)
    }

    /// Nothing is served under this path.
    pub fn no_resource() -> Self {
        Self { details: Some(json!({})), ..Self::new(404, "NotFound", "the server could not find the requested resource") }
    }

    /// The path is served, but not for this verb.
    pub fn method_not_allowed() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    /// Other API servers have it; this one does not.
    pub fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("this embedded API server has no {what}"))
    }

    /// The body has a content type that is not read here.
    pub fn media_type(accepted: &str) -> Self {
        let message = format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// No form that the client accepts.
    pub fn not_acceptable(accepted: &str) -> Self {
        Self::new(406, "NotAcceptable", format!("only the following media types are accepted: {accepted}"))
    }

    /// The body is longer than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    /// The version asked for is not reached yet.
    pub fn future(asked: u64, current: u64) -> Self {
        let details = json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        });
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        Self { details: Some(details), ..Self::new(504, "Timeout", message) }
    }

    /// The version asked for is forgotten.
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// The page asked for is of a list whose version is forgotten; `next` goes on at the version of now.
    pub fn expired_page(next: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
                       the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
                       Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
                       deleted between the time the first chunk was returned and now may show up in the list.";
        Self { next: Some(next), ..Self::new(410, "Expired", message) }
    }

    /// The patch is too much work.
    pub fn large_patch(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// Something that is not the client's fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// As a real server says what it has no reason for.
    pub fn plain(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// Whether the write has to be computed again.
    pub fn is_modified(&self) -> bool {
        self.code == 409 && self.reason == "Conflict"
    }

    /// Whether it says that the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// Whether it says that the object is there already.
    pub fn is_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "code": self.code,
        });
        if let Some(next) = &self.next {
            status["metadata"]["continue"] = next.as_str().into();
        }
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }

    /// The whole answer.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.status().to_string()));
        *response.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.code == 504 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// What the store says, told of an object.
    pub fn of_store(error: StoreError, kind: &Kind, name: &str) -> Self {
        match error {
            StoreError::Conflict { current: Some(_) } => Self::modified(kind, name),
            StoreError::Conflict { current: None } | StoreError::NotFound => Self::not_found(kind, name),
            StoreError::Exists => Self::exists(kind, name),
            StoreError::TooLarge { .. } => Self::new(413, "RequestEntityTooLarge", format!("etcdserver: request is too large: {error}")),
            other => Self::internal(format!("Internal error occurred: {other}")),
        }
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
