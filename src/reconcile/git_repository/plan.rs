//! What to do for an object, worked out from its spec and what it refers to. Pure.

mod credentials;

use headwater_api::Artifact;
use headwater_api::git_repository::{GitRepository, GitRepositoryRef, GitRepositorySpec};
use headwater_api::reason;
use headwater_http::{Credentials, InvalidUrl, Proxy, SafeUrl, Trust};
use headwater_storage::Algorithm;

use super::resolve::References;
use crate::reconcile::Schedule;
use crate::reconcile::failure::Failure;
use headwater_git::{Content, Lfs, Reference, Ssh, Submodules, Symlinks};
use headwater_identity::App;

/// All that a fetch needs to know.
#[derive(Debug)]
pub struct Plan {
    /// Where the repository is; without userinfo.
    pub url: SafeUrl,
    /// Credentials for http and https.
    pub credentials: Credentials,
    /// Certificates for https.
    pub trust: Trust,
    /// Credentials and trust for ssh.
    pub ssh: Option<Ssh>,
    /// Who issues credentials in place of those.
    pub issuer: Option<Issuer>,
    /// Through which proxy.
    pub proxy: Option<Proxy>,
    /// Which revision is wanted.
    pub reference: Reference,
    /// What of it is wanted.
    pub content: Content,
}

/// Who issues credentials for an object.
#[derive(Debug)]
pub enum Issuer {
    /// GitHub, to an App.
    GitHub(Box<App>),
    /// Azure, to a workload.
    Azure,
    /// AWS, to a workload.
    Aws,
}

/// When to reconcile, and for how long.
pub fn schedule(spec: &GitRepositorySpec) -> Result<Schedule, Failure> {
    let unreadable = |field: &str, error| Failure::fetch("InvalidDuration", format!("invalid spec.{field}: {error}")).stalled();
    let interval = spec.interval.get().map_err(|e| unreadable("interval", e))?;
    let timeout = spec.timeout().map_err(|e| unreadable("timeout", e))?;
    Ok(Schedule { interval, timeout })
}

/// Works out what to do.
pub fn plan(object: &GitRepository, references: &References) -> Result<Plan, Failure> {
    let spec = &object.spec;
    let proxy = credentials::proxy(object, references.proxy.as_ref())?;
    let url = SafeUrl::parse(&spec.url).map_err(|InvalidUrl { url, cause }| {
        Failure::fetch(reason::URL_INVALID, format!("failed to parse url '{url}': {cause}")).stalled()
    })?;
    let data = references.credentials.as_ref();
    let (credentials, trust, ssh) = match url.scheme() {
        "ssh" => (Credentials::Anonymous, Trust::default(), Some(credentials::ssh(object, &url, data)?)),
        _ => (credentials::credentials(object, &url, data)?, credentials::trust(object, data)?, None),
    };
    let issuer = credentials::issuer(object, data)?;
    // What the URL carried is in `credentials` now. These fail only for URLs that cannot have any.
    let url = url.with(|url| {
        if ssh.is_none() {
            let _ = url.set_username("");
        }
        let _ = url.set_password(None);
    });
    let (reference, content) = (reference(spec.reference.as_ref()), content(spec));
    Ok(Plan { url, credentials, trust, ssh, issuer, proxy, reference, content })
}

/// The most precise field counts.
fn reference(asked: Option<&GitRepositoryRef>) -> Reference {
    let Some(asked) = asked else { return Reference::Default };
    if let Some(id) = &asked.commit {
        Reference::Commit { id: id.clone(), branch: asked.branch.clone() }
    } else if let Some(name) = &asked.name {
        Reference::Name(name.clone())
    } else if let Some(tag) = &asked.tag {
        Reference::Tag(tag.clone())
    } else if let Some(range) = &asked.semver {
        Reference::Semver { range: range.clone(), filter: asked.semver_filter.clone() }
    } else {
        asked.branch.clone().map_or(Reference::Default, Reference::Branch)
    }
}

fn content(spec: &GitRepositorySpec) -> Content {
    Content {
        submodules: if spec.recurse_submodules { Submodules::Recursive } else { Submodules::Empty },
        sparse: spec.sparse_checkout.clone(),
        lfs: if spec.lfs { Lfs::Files } else { Lfs::Pointers },
        symlinks: if spec.keeps_symlinks() { Symlinks::Keep } else { Symlinks::Skip },
    }
}

/// SHA-256 over canonical JSON of everything besides the upstream revision that shapes the artifact: `included` are the artifacts
/// that go into it.
pub fn checksum(spec: &GitRepositorySpec, included: &[Artifact]) -> String {
    let include = spec.include.iter().map(|i| [i.repository.name.as_str(), i.from_path(), i.to_path()]);
    let mut shaping = serde_json::json!({
        "ignore": spec.ignore,
        "include": include.collect::<Vec<_>>(),
        "recurseSubmodules": spec.recurse_submodules,
        "sparseCheckout": spec.sparse_checkout,
    });
    // What is off leaves the checksum as it was before it could be on.
    if !included.is_empty() {
        shaping["included"] = included.iter().map(|a| [a.revision.as_str(), a.digest.as_str()]).collect::<Vec<_>>().into();
    }
    if spec.lfs {
        shaping["lfs"] = true.into();
    }
    if spec.keeps_symlinks() {
        shaping["symlinks"] = "Keep".into();
    }
    Algorithm::Sha256.digest(shaping.to_string().as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
