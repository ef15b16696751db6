//! A guard over credentials: it says which requests may carry them.

use url::{Origin, Url};

/// Those who may see the credentials for a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Its own scheme, host and port, until a redirect leads away from there.
    #[default]
    Home,
    /// Whoever is asked for what belongs to it, and whoever redirects lead to; but nobody over http where the server is at https.
    Everywhere,
}

/// Watches where requests go, and says which of them may carry the credentials for one server.
#[derive(Clone, Debug)]
pub struct Guard {
    home: Origin,
    is_encrypted: bool,
    audience: Audience,
    has_left: bool,
}

impl Guard {
    /// The guard of the credentials for the server at `home`.
    pub fn new(home: &Url, audience: Audience) -> Self {
        Self { home: home.origin(), is_encrypted: home.scheme() == "https", audience, has_left: false }
    }

    /// Decides on the next request, which goes to `url`: true where it may carry the credentials. Must be asked about every request
    /// in turn: after one that left home, those that come home again get nothing either, as somebody else may have sent them.
    pub fn admits(&mut self, url: &Url) -> bool {
        self.has_left |= url.origin() != self.home;
        let is_weaker = self.is_encrypted && url.scheme() == "http";
        !self.has_left || (self.audience == Audience::Everywhere && !is_weaker)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn admitted(home: &str, audience: Audience, urls: &[&str]) -> Vec<bool> {
        let url = |text: &str| Url::parse(text).unwrap();
        let mut guard = Guard::new(&url(home), audience);
        urls.iter().map(|text| guard.admits(&url(text))).collect()
    }

    #[test]
    fn home_is_a_scheme_a_host_and_a_port() {
        let same = ["https://host/a", "https://HOST:443/b?c", "https://user@host"];
        assert_eq!(admitted("https://host", Audience::Home, &same), [true; 3]);
        for other in ["http://host/", "https://host:8443/", "https://sub.host/", "https://host.example/"] {
            assert_eq!(admitted("https://host", Audience::Home, &[other]), [false], "{other}");
        }
    }

    #[test]
    fn nobody_gets_credentials_after_another_was_asked() {
        let way = ["http://a/", "http://b/", "http://a/"];
        assert_eq!(admitted("http://a", Audience::Home, &way), [true, false, false]);
        assert_eq!(admitted("http://a", Audience::Everywhere, &way), [true, true, true]);
    }

    #[test]
    fn what_was_to_be_encrypted_is_nowhere_sent_in_the_clear() {
        let way = ["https://a/", "http://b/", "https://b/", "http://a/"];
        assert_eq!(admitted("https://a", Audience::Everywhere, &way), [true, false, true, false]);
    }
}
