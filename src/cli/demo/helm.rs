//! The demo's steps with a chart repository.

use std::path::Path;

use headwater_api::{helm_chart, helm_repository};

use super::NAME;
use super::charts::Shelf;
use super::screen::Screen;
use super::watched::{Watched, fetch};
use crate::run::{Stopped, standalone::Running};

/// What of the chart is wanted.
const RANGE: &str = "1.x";

/// A repository becomes a chart, which follows it; an index that has not changed is not sent again.
pub async fn show(screen: &Screen, running: &Running, manifests: &Path, url: &str, charts: &Shelf) -> Result<(), Stopped> {
    let (repository, chart) = (Watched::new(running, helm_repository::KIND, NAME), Watched::new(running, helm_chart::KIND, NAME));

    screen.step("A chart repository");
    charts.publish("1.0.0")?;
    screen.fact("url", url);
    screen.fact("chart", &format!("{NAME} 1.0.0"));
    save(screen, manifests, helm_repository::KIND, &repository_manifest(url))?;
    let ready = repository.wait(screen, |_| true).await?;
    answered(screen, charts);
    screen.fact("artifact", &ready.artifact()?.url);

    screen.step(&format!("A chart of it, of which version {RANGE} is wanted"));
    save(screen, manifests, helm_chart::KIND, &chart_manifest())?;
    let ready = chart.wait(screen, |said| said.has("1.0.0")).await?;
    screen.conditions(&ready.conditions);
    answered(screen, charts);
    screen.fact("artifact", &ready.artifact()?.url);

    screen.step("A new version, and a reconcile request of the repository alone: the chart follows");
    let published = charts.publish("1.1.0")?;
    screen.fact("chart", &format!("{NAME} 1.1.0"));
    repository.request("a-new-version").await?;
    let new = chart.wait(screen, |said| said.has("1.1.0")).await?.artifact()?;
    answered(screen, charts);
    screen.fact("artifact", &new.url);

    screen.step("Another request: the index has not changed, so it is not sent");
    repository.request("nothing-new").await?;
    repository.wait(screen, |said| said.handled("nothing-new")).await?;
    answered(screen, charts);
    screen.fact("event", &repository.event("artifact up-to-date").await?);

    screen.step("The chart over HTTP");
    fetch(screen, &new).await?;
    if new.digest != published {
        return Err(format!("the chart's digest is {}, and {published} was published", new.digest).into());
    }
    screen.fact("chart", "byte for byte as it was published");
    Ok(())
}

/// What the repository was asked for since the step before.
fn answered(screen: &Screen, charts: &Shelf) {
    for answer in charts.answers() {
        screen.fact("asked for", &answer);
    }
}

/// Adds a manifest to the folder that is kept applied.
fn save(screen: &Screen, manifests: &Path, kind: &str, text: &str) -> Result<(), Stopped> {
    let file = manifests.join(format!("guestbook-{}.yaml", kind.to_lowercase()));
    std::fs::write(&file, text)?;
    screen.fact("saved", &format!("{}  ({kind} default/{NAME})", file.display()));
    Ok(())
}

fn repository_manifest(url: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata:\n  name: {NAME}\nspec:\n  interval: 10m\n  url: {url:?}\n"
    )
}

fn chart_manifest() -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata:\n  name: {NAME}\nspec:\n  interval: 10m\n  chart: {NAME}\n  \
         version: {RANGE}\n  sourceRef:\n    kind: HelmRepository\n    name: {NAME}\n"
    )
}
