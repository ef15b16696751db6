//! The demo's steps with a Git repository.

use headwater_api::git_repository::KIND;

use super::NAME;
use super::repository::{self, Repository};
use super::screen::Screen;
use super::watched::{Watched, fetch};
use crate::run::{Stopped, standalone::Running};

/// The source becomes Ready, follows a commit, and rests when there is none.
pub async fn show(screen: &Screen, running: &Running, repository: &Repository, first: &str) -> Result<(), Stopped> {
    let source = Watched::new(running, KIND, NAME);

    screen.step("The source becomes Ready");
    let ready = source.wait(screen, |said| said.has(&format!("main@sha1:{first}"))).await?;
    screen.conditions(&ready.conditions);
    screen.fact("artifact", &ready.artifact()?.url);

    screen.step("A new commit, and a reconcile request");
    let second = repository.commit("Three replicas", &repository::second())?;
    screen.fact("commit", &format!("main@sha1:{second}  Three replicas"));
    source.request("a-new-commit").await?;
    let ready = source.wait(screen, |said| said.handled("a-new-commit") && said.has(&format!("main@sha1:{second}"))).await?;
    let new = ready.artifact()?;
    screen.fact("artifact", &new.url);

    screen.step("Another request: nothing changed, so nothing is fetched");
    source.request("nothing-new").await?;
    let same = source.wait(screen, |said| said.handled("nothing-new")).await?;
    if same.artifact()? != new {
        return Err("the artifact changed although the repository did not".into());
    }
    screen.fact("event", &source.event("no changes").await?);
    screen.fact("artifact", &format!("of {}, as before", new.last_update_time));

    screen.step("The artifact over HTTP");
    fetch(screen, &new).await
}

/// The object for the repository at `url`.
pub fn manifest(url: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: {NAME}\nspec:\n  interval: 10m\n  url: {url:?}\n  \
         ref:\n    branch: main\n"
    )
}
