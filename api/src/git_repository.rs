//! `GitRepository`: an artifact from a revision of a Git repository.
#![expect(clippy::duplicated_attributes, reason = "print columns of the same type are no duplicates")]

use std::time;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Artifact, Condition, Duration, LocalObjectReference, duration, lenient};

/// The kind's name.
pub const KIND: &str = "GitRepository";
/// The provider of an object that names none: credentials come from `secretRef`.
pub const PROVIDER_GENERIC: &str = "generic";
/// Credentials come from an AWS identity.
pub const PROVIDER_AWS: &str = "aws";
/// Credentials come from an Azure identity.
pub const PROVIDER_AZURE: &str = "azure";
/// Credentials come from a GitHub App.
pub const PROVIDER_GITHUB: &str = "github";
/// Verification of the commit.
pub const MODE_HEAD: &str = "HEAD";
/// Verification of the tag that leads to the commit.
pub const MODE_TAG: &str = "Tag";
/// Verification of both.
pub const MODE_TAG_AND_HEAD: &str = "TagAndHEAD";
/// Symbolic links that stay inside the repository are kept.
pub const SYMLINKS_KEEP: &str = "Keep";
/// The branch of an object that names no reference.
pub const DEFAULT_BRANCH: &str = "master";
/// Time for one pass of an object that sets none.
pub const DEFAULT_TIMEOUT: time::Duration = time::Duration::from_mins(1);

/// Which repository to fetch, which revision of it, and what of that goes into the artifact.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "GitRepository",
    plural = "gitrepositories",
    namespaced,
    status = "GitRepositoryStatus",
    shortname = "gitrepo",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    printcolumn(json_path = ".spec.url", name = "URL", type_ = "string"),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"),
    printcolumn(json_path = r#".status.conditions[?(@.type=="Ready")].status"#, name = "Ready", type_ = "string"),
    printcolumn(json_path = r#".status.conditions[?(@.type=="Ready")].message"#, name = "Status", type_ = "string"),
    doc = "A Git repository, of which one revision is kept as an artifact.",
    derive = "Default",
    derive = "PartialEq",
    // The schema lets an object without a spec pass, so it must decode. kube takes no serde attribute here by itself.
    attr = "cfg_attr(all(), serde(default))"
)]
#[serde(default, rename_all = "camelCase")]
#[schemars(
    !default,
    extend("x-kubernetes-validations" = [{
        "message": "serviceAccountName can only be set when provider is 'azure' or 'aws'",
        "rule": "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
    }])
)]
pub struct GitRepositorySpec {
    /// Address of the repository: http, https or ssh.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("pattern" = "^(http|https|ssh)://.*$"))]
    pub url: String,

    /// Secret with the credentials: username and password, or bearerToken, for http and https, with ca.crt for a private
    /// authority; identity and known_hosts for ssh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,

    /// Where credentials come from: generic (the Secret alone), aws, azure or github. Without it, generic.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["generic", "aws", "azure", "github"]))]
    pub provider: Option<String>,

    /// ServiceAccount in the same namespace whose identity is used. Only for the providers aws and azure.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,

    /// How often the repository is asked for changes, roughly: jitter may be added.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub interval: Duration,

    /// Time that one pass may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "60s", "pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$"))]
    pub timeout: Option<Duration>,

    /// Revision to follow. Without it, the branch master.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitRepositoryRef>,

    /// Which signatures to check, and with which keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<GitRepositoryVerification>,

    /// Secret with the proxy to use: address, and username and password if it wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,

    /// What to leave out of the artifact, in the syntax of .gitignore. Replaces the default exclusions; empty excludes
    /// nothing beyond version control's own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,

    /// Switches reconciling off while it is true.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub suspend: bool,

    /// Fetches submodules too, all of them, at any depth.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub recurse_submodules: bool,

    /// Other GitRepositories whose artifacts go into this one's.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<GitRepositoryInclude>,

    /// Folders of the repository to take; the artifact then holds nothing else.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub sparse_checkout: Vec<String>,

    /// Fetches the files that Git LFS keeps outside of the repository, in place of the pointers to them. An addition to Flux's
    /// API.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub lfs: bool,

    /// What becomes of symbolic links: with Skip, or without it, they are left out; with Keep, those that stay inside the
    /// repository are part of the artifact. An addition to Flux's API.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Skip", "Keep"]))]
    pub symlinks: Option<String>,
}

impl GitRepositorySpec {
    /// Whether symbolic links that stay inside the repository are part of the artifact.
    pub fn keeps_symlinks(&self) -> bool {
        self.symlinks.as_deref() == Some(SYMLINKS_KEEP)
    }

    /// The provider, [`PROVIDER_GENERIC`] when none is named.
    pub fn provider(&self) -> &str {
        self.provider.as_deref().unwrap_or(PROVIDER_GENERIC)
    }

    /// The time one pass may take, [`DEFAULT_TIMEOUT`] when none is set.
    pub fn timeout(&self) -> Result<time::Duration, duration::Error> {
        self.timeout.as_ref().map_or(Ok(DEFAULT_TIMEOUT), Duration::get)
    }
}

/// Which revision to follow. Of several fields the most precise counts: commit, then name, tag, semver, branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct GitRepositoryRef {
    /// Branch to follow. Without any field, master.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,

    /// Tag to take; counts before semver and branch.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,

    /// Version range of which the highest matching tag is taken; counts before branch.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,

    /// Regular expression that a tag's name has to match before semver is applied. An addition to Flux's API.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub semver_filter: Option<String>,

    /// Full name of a reference, such as refs/heads/main or refs/pull/420/head; counts before tag.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Commit to take; counts before everything else. With branch, the commit is expected on it.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Which signatures of a repository to check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct GitRepositoryVerification {
    /// What must be signed: the commit (HEAD, or head), the tag that leads to it (Tag), or both (TagAndHEAD).
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "HEAD", "enum" = ["head", "HEAD", "Tag", "TagAndHEAD"]))]
    pub mode: Option<String>,

    /// Secret with the trusted public keys: OpenPGP under names that end in .asc, SSH in .sshpub.
    #[serde(deserialize_with = "lenient::or_default")]
    pub secret_ref: LocalObjectReference,
}

impl GitRepositoryVerification {
    /// The mode in its present spelling: `Tag` or `TagAndHEAD`, and `HEAD` for everything else.
    pub fn mode(&self) -> &str {
        match self.mode.as_deref() {
            Some(mode @ (MODE_TAG | MODE_TAG_AND_HEAD)) => mode,
            _ => MODE_HEAD,
        }
    }
}

/// Another GitRepository in the same namespace whose content goes into the artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct GitRepositoryInclude {
    /// The GitRepository to take from.
    #[serde(deserialize_with = "lenient::or_default")]
    pub repository: LocalObjectReference,

    /// Folder of its artifact to take. Without it, all.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,

    /// Folder to put it in. Without it, one named like the GitRepository.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub to_path: Option<String>,
}

impl GitRepositoryInclude {
    /// The folder to take, empty for all.
    pub fn from_path(&self) -> &str {
        self.from_path.as_deref().unwrap_or_default()
    }

    /// The folder to put it in, as written or the repository's name.
    pub fn to_path(&self) -> &str {
        self.to_path.as_deref().unwrap_or(&self.repository.name)
    }
}

/// What the controller found out about a GitRepository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct GitRepositoryStatus {
    /// The generation that was last reconciled; -1 before the first pass ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The state, aspect by aspect.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// The artifact now in storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,

    /// The artifacts that went into this one, in the order of spec.include.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub included_artifacts: Vec<Artifact>,

    /// The exclusions that the artifact was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,

    /// Whether the artifact was made with submodules.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_false")]
    pub observed_recurse_submodules: bool,

    /// The includes that the artifact was made with.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub observed_include: Vec<GitRepositoryInclude>,

    /// The folders that the artifact was restricted to.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub observed_sparse_checkout: Vec<String>,

    /// What was verified last: HEAD, Tag or TagAndHEAD.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub source_verification_mode: Option<String>,

    /// The value of the reconcile request annotation that was handled last.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// SHA-256 over everything besides the revision that shapes the artifact's content.
    #[serde(deserialize_with = "lenient::non_empty", skip_serializing_if = "Option::is_none")]
    pub content_config_checksum: Option<String>,
}
