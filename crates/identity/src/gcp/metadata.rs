//! The metadata server of a machine of Google Cloud.

use chrono::Utc;
use headwater_http::SafeUrl;
use reqwest::Method;

use super::SCOPES;
use super::sts::issued;
use crate::answer::{Answer, ask, web};
use crate::issue::Token;
use crate::{Error, Request};

const HOST: &str = "169.254.169.254";

/// A token for the machine's service account.
pub(super) async fn token(request: &Request<'_>) -> Result<Token, Error> {
    let sent = Utc::now();
    let url = at(request, "instance/service-accounts/default/token")?.with(|url| {
        url.query_pairs_mut().append_pair("scopes", &SCOPES.join(","));
    });
    let answer = get(request, url).await.map_err(|error| match request.environment.get("GCE_METADATA_HOST") {
        Some(_) => error,
        // There is no such server elsewhere.
        None => error.within(
            "google: could not find default credentials. See https://cloud.google.com/docs/authentication/external/set-up-adc for more \
             information",
        ),
    })?;
    issued(&answer, sent)
}

/// The attributes of the cluster that the machine belongs to, as the server knows them.
pub(super) struct Cluster {
    project: String,
    location: String,
    name: String,
}

impl Cluster {
    pub async fn read(request: &Request<'_>) -> Result<Self, Error> {
        let value = async |what: &str, path: &str| {
            let told = |error: Error| error.within(format_args!("failed to get GKE cluster {what} from the metadata service"));
            let answer = get(request, at(request, path)?).await.map_err(told)?;
            let text = answer.text().trim().to_owned();
            if text.is_empty() { Err(told(Error::new("empty value"))) } else { Ok(text) }
        };
        Ok(Self {
            project: value("project ID", "project/project-id").await?,
            location: value("location", "instance/attributes/cluster-location").await?,
            name: value("name", "instance/attributes/cluster-name").await?,
        })
    }

    /// Its pool of identities, for which tokens of its service accounts are made out.
    pub fn pool(&self) -> String {
        format!("{}.svc.id.goog", self.project)
    }

    /// The audience of a token that is exchanged.
    pub fn audience(&self) -> String {
        let Self { project, location, name } = self;
        let provider = format!("https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}");
        format!("identitynamespace:{}:{provider}", self.pool())
    }
}

/// The variable names a host, without a scheme.
fn at(request: &Request<'_>, path: &str) -> Result<SafeUrl, Error> {
    let host = request.environment.get("GCE_METADATA_HOST").unwrap_or(HOST);
    web(&format!("http://{host}/computeMetadata/v1/{path}")).map_err(|why| Error::new(format!("invalid GCE_METADATA_HOST: {why}")))
}

async fn get(request: &Request<'_>, url: SafeUrl) -> Result<Answer, Error> {
    let answer = ask(request.http, Method::GET, url, |request| request.header("Metadata-Flavor", "Google")).await?;
    if answer.status.is_success() { Ok(answer) } else { Err(Error::new(format!("{}: {}", answer.place, answer.status))) }
}
