//! Reconcilers: a shared drive, and a folder per kind for what is different.

pub mod aid;
pub mod drive;
pub mod failure;
pub mod git_repository;
pub mod helm;
pub mod helm_chart;
pub mod helm_repository;
pub mod kept;
pub mod pass;
pub mod resume;
pub mod status;

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use headwater_api::{Artifact, Condition};
use headwater_http::Clients;
use headwater_storage::Storage;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cluster::retries::Retries;
use crate::notify::Recorder;
use crate::telemetry::Metrics;
use failure::Failure;
use headwater_git as git;
use pass::{Done, Fact, Pass};
use status::Common;

/// What every pass may use.
pub struct Ctx {
    /// The Kubernetes API.
    pub client: kube::Client,
    /// Artifacts on disk.
    pub storage: Storage,
    /// Where fetches keep what they receive; a folder of its own for each, gone when the pass is over.
    pub scratch: PathBuf,
    /// Which stored artifacts were found intact since the start.
    pub intact: kept::Intact,
    /// Which objects this process has looked at.
    pub resumed: resume::Resumed,
    /// Where artifacts are served: scheme and authority, without a trailing slash.
    pub advertised: String,
    /// Events out.
    pub recorder: Recorder,
    /// Numbers out.
    pub metrics: Arc<Metrics>,
    /// Failures in a row.
    pub retries: Retries,
    /// How much an interval may vary, in percent of itself, 0 to 100.
    pub jitter_percent: u8,
    /// Bounds on what a Git server may send.
    pub git_limits: git::Limits,
    /// HTTP clients for everything upstream.
    pub clients: Clients,
    /// What was fetched from Git servers before.
    pub git_mirrors: git::Mirrors,
    /// What ssh offers to Git servers.
    pub git_algorithms: git::Algorithms,
    /// Who we are to those who issue credentials.
    pub identities: git_repository::Identities,
    /// What is for Helm alone.
    pub helm: helm::Helm,
    /// Where the sources of charts are looked up.
    pub sources: helm_chart::Sources,
    /// After which time an object whose dependency is not ready is looked at again.
    pub requeue_dependency: Duration,
    /// Whether Git repositories on this machine may be read.
    pub local_repositories: git::LocalRepositories,
}

/// An object of any kind that has another artifact than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The object's kind.
    pub kind: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

/// When an object is to be reconciled, and how long a pass may take.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// From the end of one pass to the start of the next.
    pub interval: Duration,
    /// The deadline of a pass, from its start.
    pub timeout: Duration,
}

/// The fields that the status of every kind has.
#[derive(Debug)]
pub struct Shared<'a> {
    /// `conditions`.
    pub conditions: &'a mut Vec<Condition>,
    /// `artifact`.
    pub artifact: &'a mut Option<Artifact>,
    /// `observedGeneration`.
    pub observed_generation: &'a mut Option<i64>,
    /// `lastHandledReconcileAt`.
    pub last_handled: &'a mut Option<String>,
}

/// A kind that is reconciled into an artifact.
pub trait Reconcile: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind's status.
    type Status: Clone + Default + Serialize + Send + Sync;

    /// When to reconcile; fails when the object's durations cannot be read.
    fn schedule(&self) -> Result<Schedule, Failure>;
    /// Whether reconciling is switched off.
    fn suspended(&self) -> bool;
    /// The status as last read.
    fn status(&self) -> Self::Status;
    /// The fields that every status has.
    fn shared(status: &mut Self::Status) -> Shared<'_>;
    /// What was learnt and the outcome say of the kind's own fields; the shared ones are written already.
    fn tell(&self, status: &mut Self::Status, facts: &[Fact], outcome: Option<&Done>);
    /// The shared part of a status.
    fn common(status: &Self::Status) -> Common {
        let mut status = status.clone();
        let Shared { conditions, artifact, observed_generation, last_handled } = Self::shared(&mut status);
        Common {
            conditions: std::mem::take(conditions),
            artifact: artifact.take(),
            observed_generation: *observed_generation,
            last_handled: last_handled.take(),
        }
    }
    /// A status with another shared part.
    fn with(&self, mut status: Self::Status, common: Common, facts: &[Fact], outcome: Option<&Done>) -> Self::Status {
        let shared = Self::shared(&mut status);
        *shared.conditions = common.conditions;
        *shared.artifact = common.artifact;
        *shared.observed_generation = common.observed_generation;
        *shared.last_handled = common.last_handled;
        self.tell(&mut status, facts, outcome);
        status
    }
    /// Whether there is nothing to reconcile: the object only says where something is.
    fn is_static(&self) -> bool {
        false
    }
    /// The objects of the same kind and namespace whose artifacts go into this one's.
    fn dependencies(&self) -> Vec<&str> {
        Vec::new()
    }
    /// Whether its artifact has to be made anew, now that an object of another kind has another artifact.
    fn follows(&self, _other: &Changed) -> bool {
        false
    }
    /// Whether what the artifact was made from may have changed while no process was looking.
    fn may_have_missed(&self, _cx: &Ctx) -> impl Future<Output = bool> + Send {
        std::future::ready(!self.dependencies().is_empty())
    }
    /// Reason and message of the event of a pass that found nothing new.
    fn unchanged(revision: &str) -> (&'static str, String);
    /// The object is gone: what is known of it elsewhere is of no use any more.
    fn forgotten(&self, _cx: &Ctx) {}
    /// The failure of a pass that met its deadline.
    fn timed_out(&self) -> Failure;
    /// One pass. It returns what it learnt and how it ended, and never touches a condition.
    fn run(&self, cx: &Ctx, pass: &mut Pass) -> impl Future<Output = Result<Done, Failure>> + Send;
}
