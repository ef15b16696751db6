//! The proxies that the environment names: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` (for ssh) and `NO_PROXY`, in capital or small
//! letters, read as Go's `net/http` reads them. The names of this machine itself are never reached through them.

use std::net::IpAddr;

use url::{Host, Url};

use crate::SafeUrl;

/// The port of ssh.
const SSH_PORT: u16 = 22;

/// The proxies of an environment.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<SafeUrl>,
    https: Option<SafeUrl>,
    all: Option<SafeUrl>,
    /// Hosts and networks without a proxy, in small letters.
    direct: Vec<String>,
}

impl Proxies {
    /// Of this process.
    ///
    /// # Errors
    /// Names the variable that holds no usable URL, but not its value.
    pub fn of_process() -> Result<Self, String> {
        Self::new(|name| std::env::var(name).ok())
    }

    fn new(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let first = |name: &str| [name.to_owned(), name.to_lowercase()].iter().find_map(|name| get(name).filter(|value| !value.is_empty()));
        let proxy = |name: &str| {
            let parsed =
                first(name).map(|value| parse(value.trim()).ok_or_else(|| format!("the environment's {name} is not a proxy's URL")));
            parsed.transpose()
        };
        let direct = first("NO_PROXY").unwrap_or_default().to_lowercase();
        let direct = direct.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(ToOwned::to_owned).collect();
        Ok(Self {
            http: proxy("HTTP_PROXY")?,
            https: proxy("HTTPS_PROXY")?,
            all: first("ALL_PROXY").and_then(|value| parse(value.trim())).filter(is_socks),
            direct,
        })
    }

    /// The proxy on the way to `url`, perhaps with user and password.
    pub fn proxy(&self, url: &Url) -> Option<&SafeUrl> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            "ssh" => self.all.as_ref(),
            _ => None,
        }?;
        let port = url.port_or_known_default().unwrap_or(SSH_PORT);
        let direct = match url.host()? {
            Host::Domain(name) => {
                // The URL of a scheme that is none of the web's does not say that its host is an address.
                if let Ok(address) = name.parse() {
                    return (!self.is_direct(address, port)).then_some(proxy);
                }
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name == "localhost" || self.direct.iter().any(|entry| names(entry, &name, port))
            }
            Host::Ipv4(address) => self.is_direct(address.into(), port),
            Host::Ipv6(address) => self.is_direct(address.into(), port),
        };
        (!direct).then_some(proxy)
    }

    fn is_direct(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.direct.iter().any(|entry| holds(entry, address, port))
    }
}

/// True for a proxy that can carry more than requests for the web. Where `ALL_PROXY` cannot, ssh goes without.
fn is_socks(proxy: &SafeUrl) -> bool {
    matches!(proxy.scheme(), "socks5" | "socks5h")
}

/// A proxy's URL; without a scheme, `http` is meant.
fn parse(value: &str) -> Option<SafeUrl> {
    let parse = |text: &str| SafeUrl::parse(text).ok().filter(|url| url.has_host() && url.host_str() != Some(""));
    if value.contains("://") { parse(value) } else { parse(&format!("http://{value}")) }
}

/// Splits `host[:port]`.
fn split(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[') {
        let (host, port) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, port.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (entry, None),
    }
}

/// True where `entry` is `*`, the domain of `name`, or its own name.
fn names(entry: &str, name: &str, port: u16) -> bool {
    let (domain, only) = split(entry);
    if entry == "*" {
        return true;
    }
    if only.is_some_and(|only| only != port) || domain.is_empty() {
        return false;
    }
    let (itself, domain) = match domain.strip_prefix('*').unwrap_or(domain).strip_prefix('.') {
        Some(domain) => (false, domain),
        None => (true, domain),
    };
    itself && name == domain || name.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
}

/// True where `entry` is `*`, this address, or a network around it.
fn holds(entry: &str, address: IpAddr, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, length)) = entry.split_once('/') {
        let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
        return match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same(network.to_bits().into(), address.to_bits().into(), 32, length),
            (IpAddr::V6(network), IpAddr::V6(address)) => same(network.to_bits(), address.to_bits(), 128, length),
            _ => false,
        };
    }
    let (host, only) = split(entry);
    host.parse::<IpAddr>().is_ok_and(|host| host.to_canonical() == address) && only.is_none_or(|only| only == port)
}

/// True where the first `length` of `width` bits are the same.
fn same(a: u128, b: u128, width: u32, length: u32) -> bool {
    length <= width && (a ^ b).checked_shr(width - length).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Result<Proxies, String> {
        Proxies::new(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let pairs = [
            ("HTTP_PROXY", ""),
            ("http_proxy", "a:1"),
            ("HTTPS_PROXY", "socks5://me:p%40ss@b"),
            ("https_proxy", "c"),
            ("ALL_PROXY", "socks5://d:1"),
        ];
        let environment = environment(&pairs).unwrap();
        let proxy = |url: &str| environment.proxy(&Url::parse(url).unwrap()).map(|proxy| proxy.as_str().to_owned());
        assert_eq!(proxy("http://x/"), Some("http://a:1/".into()));
        assert_eq!(proxy("https://x/"), Some("socks5://me:p%40ss@b".into()));
        assert_eq!(proxy("ssh://git@x/"), Some("socks5://d:1".into()));
        for url in [
            "ssh://localhost/",
            "http://localhost/",
            "https://LOCALHOST./",
            "https://127.8.0.1:8443/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert_eq!(proxy(url), None, "{url}");
        }
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        for (entries, direct, proxied) in [
            ("a.com", &["a.com", "A.com:99", "x.a.com", "a.com."][..], &["xa.com", "a.com.org"][..]),
            (".a.com, *.b.com", &["x.a.com", "y.x.b.com"], &["a.com", "b.com"]),
            ("a.com:81,10.0.0.1:81,[::2]:81", &["a.com:81", "10.0.0.1:81", "[::2]:81"], &["a.com", "10.0.0.1", "[::2]"]),
            ("10.0.0.0/8, fd00::/8", &["10.1.2.3", "[fd12::1]", "10.0.0.1:5"], &["11.0.0.1", "[fe80::1]", "x10.com"]),
            ("10.0.0.1,fd00::1", &["10.0.0.1", "[fd00::1]"], &["10.0.0.2", "[fd00::2]"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["a.com", "[::2]"]),
            ("x,*", &["a.com", "1.2.3.4", "[::2]"], &[]),
            ("", &[], &["a.com"]),
            (" , 10.0.0.0/99, /, :80", &[], &["a.com", "10.0.0.0"]),
        ] {
            let environment = environment(&[("HTTP_PROXY", "p"), ("no_proxy", entries)]).unwrap();
            for (hosts, wanted) in [(direct, false), (proxied, true)] {
                for host in hosts {
                    let url = Url::parse(&format!("http://{host}/")).unwrap();
                    assert_eq!(environment.proxy(&url).is_some(), wanted, "{host} with {entries:?}");
                }
            }
        }
    }

    #[test]
    fn values_that_are_no_urls_are_refused_without_telling_them() {
        for value in ["http://", "http://me:s3cret@:80:80", "://s3cret"] {
            let why = environment(&[("HTTPS_PROXY", value)]).err().unwrap();
            assert_eq!(why, "the environment's HTTPS_PROXY is not a proxy's URL", "{value}");
        }
    }
}
