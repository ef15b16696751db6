//! The Kubernetes client.

/// How hard the Kubernetes API may be pressed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Kubernetes client")]
pub struct Client {
    /// Requests a second to the Kubernetes API, when the server does not ration them itself.
    #[arg(id = "kube-api-qps", long = "kube-api-qps", default_value = "50", value_parser = rate)]
    pub qps: f32,
    /// Requests that may be sent at once before the rate applies.
    #[arg(id = "kube-api-burst", long = "kube-api-burst", default_value_t = 300)]
    pub burst: u32,
}

fn rate(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if value.is_finite() { Ok(value) } else { Err("expected a finite number".to_owned()) }
}
