//! A proxy, and how clients are told of it.

use secrecy::ExposeSecret as _;
use url::Url;

use crate::clients::Unusable;
use crate::{Basic, SafeUrl};

/// A proxy on the way to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `http`, `https`, `socks5` or `socks5h`, without user and password.
    pub url: SafeUrl,
    /// User and password.
    pub basic: Option<Basic>,
}

impl Proxy {
    /// The proxy at `url`, whose user and password it may hold.
    pub fn at(url: SafeUrl) -> Self {
        let (basic, url) = url.split();
        Self { url, basic }
    }

    /// The URL with user and password, as clients take it. A SOCKS proxy resolves names, as it does for Go.
    pub(crate) fn full(&self) -> Result<Url, Unusable> {
        let text = match self.url.scheme() {
            "http" | "https" | "socks5h" => self.url.as_str().to_owned(),
            "socks5" => self.url.as_str().replacen("socks5", "socks5h", 1),
            other => {
                let message = format!("unsupported proxy scheme '{other}': it must be http, https, socks5 or socks5h");
                return Err(Unusable::Proxy(message));
            }
        };
        let mut url = Url::parse(&text).map_err(|_| Unusable::proxy_url())?;
        if let Some(Basic { user, password }) = &self.basic {
            let set = url.set_username(user.expose_secret()).and_then(|()| url.set_password(Some(password.expose_secret())));
            set.map_err(|()| Unusable::proxy_url())?;
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_proxy_prints_without_user_and_password_and_is_told_to_clients_with_them() {
        let proxy = Proxy::at(SafeUrl::parse("socks5://user:s3cret%40@proxy:1080").unwrap());
        let printed = format!("{} {proxy:?}", proxy.url);
        assert!(printed.starts_with("socks5://proxy:1080 ") && !printed.contains("s3cret"), "{printed}");
        assert_eq!(proxy.full().unwrap().as_str(), "socks5h://user:s3cret%40@proxy:1080");
        let ftp = Proxy::at(SafeUrl::parse("ftp://proxy").unwrap());
        assert_eq!(ftp.full().unwrap_err().to_string(), "unsupported proxy scheme 'ftp': it must be http, https, socks5 or socks5h");
    }
}
