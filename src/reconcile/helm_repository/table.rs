//! Which failure is what: mark, reason and fate.

use headwater_api::reason;
use headwater_http::printable_url;

use crate::reconcile::failure::{Failure, chain};
use crate::reconcile::helm::access;
use headwater_helm::{index, web};

/// What every failure to fetch the index begins with.
const FETCH: &str = "failed to fetch Helm repository index: failed to cache index to temporary file";

impl From<web::Error> for Failure {
    fn from(error: web::Error) -> Self {
        match error {
            web::Error::Unusable(why) => {
                Failure::fetch(reason::AUTHENTICATION_FAILED, format!("failed to construct Helm client's TLS config: {why}"))
            }
            other => Failure::fetch(reason::FAILED, format!("{FETCH}: {}", chain(&other))),
        }
    }
}

impl From<access::Error> for Failure {
    fn from(error: access::Error) -> Self {
        match error {
            access::Error::Url(why) => Failure::fetch(reason::URL_INVALID, format!("invalid Helm repository URL: {why}")).stalled(),
            access::Error::Credentials(why) => Failure::fetch(reason::AUTHENTICATION_FAILED, why),
        }
    }
}

/// What was fetched is no index.
pub fn unread(error: &index::Error) -> Failure {
    let message = format!("failed to load Helm repository from index YAML: failed to load index: {}", chain(error));
    Failure::fetch(reason::INDEXATION_FAILED, message)
}

/// The index could not be stored.
pub fn unstored(error: &headwater_storage::Error) -> Failure {
    match error {
        headwater_storage::Error::Directory { .. } => {
            Failure::storage(reason::DIR_CREATION_FAILED, format!("failed to create artifact directory: {}", chain(error)))
        }
        other => Failure::storage(reason::ARCHIVE_OPERATION_FAILED, format!("unable to save artifact to storage: {}", chain(other))),
    }
}

/// A pass that met its deadline.
pub fn timed_out(url: &str) -> Failure {
    let url = printable_url(url);
    Failure::fetch(reason::FAILED, format!("{FETCH}: Get \"{url}\": context deadline exceeded"))
}

/// No folder for what is fetched.
pub fn unscratched(error: &std::io::Error) -> Failure {
    Failure::fetch(reason::FAILED, format!("failed to fetch Helm repository index: failed to create temp file to cache index to: {error}"))
}
