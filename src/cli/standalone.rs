//! `headwater standalone`

use crate::run::{self, Stopped};
use crate::settings::Standalone;
use crate::telemetry;

/// Runs API server, controller and manifests until a signal stops them.
pub fn run(settings: Standalone) -> Result<(), Stopped> {
    let observe = &settings.controller.observe;
    telemetry::init(observe.log_level, observe.log_encoding)?;
    settings.controller().check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run::standalone::standalone(settings))
}
