//! `headwater controller`

use crate::run::{self, Stopped};
use crate::settings::Controller;
use crate::telemetry;

/// Runs the controller until a signal stops it.
pub fn run(settings: Controller) -> Result<(), Stopped> {
    telemetry::init(settings.observe.log_level, settings.observe.log_encoding)?;
    settings.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run::controller(settings))
}
