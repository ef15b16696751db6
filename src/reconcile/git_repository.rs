//! `GitRepository` → artifact: resolve references (I/O) → plan (pure) → run (ask the remote, fetch, verify, include, store).

mod include;
mod issued;
mod plan;
mod resolve;
mod run;
mod signatures;
mod table;

use headwater_api::git_repository::{GitRepository, GitRepositoryStatus};
use headwater_api::reason;
use kube::ResourceExt;

use super::failure::Failure;
use super::pass::{Done, Fact, Pass};
use super::{Ctx, Reconcile, Schedule, Shared};
pub use issued::{Identities, NamedAccounts};

impl Reconcile for GitRepository {
    type Status = GitRepositoryStatus;

    fn schedule(&self) -> Result<Schedule, Failure> {
        plan::schedule(&self.spec)
    }

    fn suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> GitRepositoryStatus {
        self.status.clone().unwrap_or_default()
    }

    fn shared(status: &mut GitRepositoryStatus) -> Shared<'_> {
        Shared {
            conditions: &mut status.conditions,
            artifact: &mut status.artifact,
            observed_generation: &mut status.observed_generation,
            last_handled: &mut status.last_handled_reconcile_at,
        }
    }

    fn tell(&self, status: &mut GitRepositoryStatus, facts: &[Fact], outcome: Option<&Done>) {
        for fact in facts {
            match fact {
                Fact::Unverified => status.source_verification_mode = None,
                Fact::Verified { mode, .. } => status.source_verification_mode = Some(mode.clone()),
                _ => {}
            }
        }
        if let Some(done) = outcome {
            status.observed_ignore.clone_from(&self.spec.ignore);
            status.observed_recurse_submodules = self.spec.recurse_submodules;
            status.observed_include.clone_from(&self.spec.include);
            status.observed_sparse_checkout.clone_from(&self.spec.sparse_checkout);
            if let Some(included) = done.included() {
                included.clone_into(&mut status.included_artifacts);
            }
            status.content_config_checksum = Some(done.kept().checksum.clone());
        }
    }

    fn unchanged(revision: &str) -> (&'static str, String) {
        (reason::GIT_OPERATION_SUCCEEDED, format!("no changes since last reconciliation: observed revision '{revision}'"))
    }

    fn dependencies(&self) -> Vec<&str> {
        self.spec.include.iter().map(|include| include.repository.name.as_str()).collect()
    }

    fn forgotten(&self, cx: &Ctx) {
        cx.identities.cache.forget(&issued::cached(&self.namespace().unwrap_or_default(), &self.name_any()));
    }

    fn timed_out(&self) -> Failure {
        table::timed_out(&self.spec.url)
    }

    async fn run(&self, cx: &Ctx, pass: &mut Pass) -> Result<Done, Failure> {
        let references = resolve::references(self, &cx.client).await?;
        let plan = plan::plan(self, &references)?;
        run::run(self, &plan, cx, pass).await
    }
}
