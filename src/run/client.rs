//! The Kubernetes client: from the kubeconfig or from the cluster, with its rate bounded.

use std::time::Duration;

use headwater_http::{Proxies, printable_url};
use hyper::Uri;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tower::buffer::BufferLayer;
use tower::limit::RateLimitLayer;
use url::Url;

use super::Stopped;
use crate::settings;

/// How long a connection to the Kubernetes API may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many requests may wait for their turn.
const WAITING: usize = 1_024;

/// Builds the client. A rate of zero or less means no bound.
pub async fn client(settings: &settings::Client) -> Result<Client, Stopped> {
    let mut config = Config::infer()
        .await
        .map_err(|error| format!("no Kubernetes cluster to talk to: {error}; set KUBECONFIG, or run in a Pod with a service account"))?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.proxy_url = proxy(&config)?;
    let builder = ClientBuilder::try_from(config).map_err(unusable)?;
    if settings.qps <= 0.0 || settings.burst == 0 {
        return Ok(builder.build());
    }
    let per = Duration::from_secs_f64(f64::from(settings.burst) / f64::from(settings.qps));
    let limited = builder.with_layer(&RateLimitLayer::new(u64::from(settings.burst), per)).with_layer(&BufferLayer::new(WAITING));
    Ok(limited.build())
}

/// The reason that there is no client, without the password of a proxy.
fn unusable(error: kube::Error) -> Stopped {
    match error {
        kube::Error::ProxyProtocolUnsupported { proxy_url } => {
            let proxy = printable_url(&proxy_url.to_string());
            format!("the proxy {proxy} cannot be used for the Kubernetes API: it must be http, https or socks5").into()
        }
        other => other.into(),
    }
}

/// The proxy on the way to the cluster: the one that the kubeconfig names, or else the environment's. What stands in `config` can
/// come of an environment that was read without its exceptions.
fn proxy(config: &Config) -> Result<Option<Uri>, Stopped> {
    let of_environment = |named: &Uri| {
        let set = ["HTTPS_PROXY", "https_proxy"].into_iter().filter_map(|name| std::env::var(name).ok());
        set.filter_map(|value| value.parse::<Uri>().ok()).any(|set| set == *named)
    };
    if let Some(named) = config.proxy_url.as_ref().filter(|named| !of_environment(named)) {
        return Ok(Some(named.clone()));
    }
    let cluster = Url::parse(&config.cluster_url.to_string())?;
    let proxy = Proxies::of_process()?.proxy(&cluster).map(|proxy| proxy.as_str().parse()).transpose();
    proxy.map_err(|_| "the environment's proxy cannot be used for the Kubernetes API".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_cannot_be_used_is_told_without_its_password() {
        let proxy_url = Box::new(Uri::from_static("ftp://user:s3cret@proxy:21"));
        let told = unusable(kube::Error::ProxyProtocolUnsupported { proxy_url }).to_string();
        assert_eq!(told, "the proxy ftp://proxy:21/ cannot be used for the Kubernetes API: it must be http, https or socks5");
    }
}
