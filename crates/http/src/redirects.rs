//! Redirects: the answers that are some, the places that they may lead to, and their number.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

use crate::{Basic, without_user};

/// The rules for following redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectRules {
    /// The most redirects that one request follows.
    pub most: usize,
    /// The answers that are redirects.
    pub statuses: Statuses,
    /// The fate of a user and a password in a `Location`, or in the first URL.
    pub user_information: UserInformation,
}

/// The answers that are redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    /// 301, 302, 303, 307 and 308.
    Known,
    /// All from 300 to 399.
    Every3xx,
}

/// The fate of a user and a password in a `Location`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserInformation {
    /// They are dropped.
    Dropped,
    /// They are for whom the URL leads to: [`Redirects::user`].
    Kept,
}

/// The reason not to follow a redirect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// It names no place, or none that is a URL.
    #[error("a redirect without a usable location")]
    NoLocation,
    /// It leads from https to something else, or to something that is not HTTP.
    #[error("refusing a redirect from {from} to {to}")]
    Unsafe {
        /// The scheme of the URL that redirects.
        from: String,
        /// The scheme of where it leads to.
        to: String,
    },
    /// It is one too many.
    #[error("more than {0} redirects")]
    TooMany(usize),
}

/// The meaning of an answer for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is the answer.
    Arrived,
    /// The request is to be sent again, to where [`Redirects::url`] is now.
    Redirected,
}

/// A request on its way along redirects.
///
/// The caller sends the request to [`Self::url`] and hands each answer to [`Self::follow`], as long as that says
/// [`Step::Redirected`]. A [`Guard`](crate::Guard) says whether credentials go along.
#[derive(Clone, Debug)]
pub struct Redirects {
    rules: RedirectRules,
    /// Has a user and a password only where they count.
    at: Url,
    followed: usize,
}

impl RedirectRules {
    /// At most ten redirects, by status 301, 302, 303, 307 or 308; user information is dropped.
    pub const COMMON: Self = Self { most: 10, statuses: Statuses::Known, user_information: UserInformation::Dropped };

    fn is_redirect(self, status: StatusCode) -> bool {
        match self.statuses {
            Statuses::Known => matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308),
            Statuses::Every3xx => status.is_redirection(),
        }
    }

    fn fit(self, url: Url) -> Url {
        match self.user_information {
            UserInformation::Dropped => without_user(url),
            UserInformation::Kept => url,
        }
    }
}

impl Redirects {
    /// A request that goes to `url` first.
    pub fn new(url: Url, rules: RedirectRules) -> Self {
        Self { rules, at: rules.fit(url), followed: 0 }
    }

    /// The URL that the next request goes to, without user and password.
    pub fn url(&self) -> Url {
        without_user(self.at.clone())
    }

    /// The user and the password of the URL that the next request goes to, where they count.
    pub fn user(&self) -> Option<Basic> {
        Basic::of_url(&self.at)
    }

    /// Looks at an answer, and goes on where it is a redirect.
    ///
    /// # Errors
    /// [`RedirectError`]. After [`RedirectError::TooMany`], [`Self::url`] is where it would have gone.
    pub fn follow(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<Step, RedirectError> {
        if !self.rules.is_redirect(status) {
            return Ok(Step::Arrived);
        }
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| self.at.join(location).ok()).ok_or(RedirectError::NoLocation)?;
        if !is_safe_redirect(&self.at, &to) {
            return Err(RedirectError::Unsafe { from: self.at.scheme().to_owned(), to: to.scheme().to_owned() });
        }
        self.at = self.rules.fit(to);
        self.followed += 1;
        if self.followed > self.rules.most { Err(RedirectError::TooMany(self.rules.most)) } else { Ok(Step::Redirected) }
    }
}

/// True where one who is sent from `from` may go to `to`: never from encrypted to plain, nor to anything but HTTP.
pub fn is_safe_redirect(from: &Url, to: &Url) -> bool {
    matches!((from.scheme(), to.scheme()), ("http", "http" | "https") | ("https", "https"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use reqwest::header::HeaderValue;

    use super::*;

    const KEPT: RedirectRules = RedirectRules { user_information: UserInformation::Kept, ..RedirectRules::COMMON };

    fn starting(url: &str, rules: RedirectRules) -> Redirects {
        Redirects::new(Url::parse(url).unwrap(), rules)
    }

    fn answer(redirects: &mut Redirects, status: u16, location: Option<&str>) -> Result<Step, RedirectError> {
        let headers = location.map(|location| (LOCATION, HeaderValue::from_str(location).unwrap())).into_iter().collect();
        redirects.follow(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn statuses_are_followed_as_the_rules_say() {
        for status in [200, 204, 300, 301, 302, 303, 304, 305, 307, 308, 399, 401, 500] {
            let step = |statuses| answer(&mut starting("http://a/", RedirectRules { statuses, ..KEPT }), status, Some("/b")).unwrap();
            assert_eq!(step(Statuses::Known) == Step::Redirected, [301, 302, 303, 307, 308].contains(&status), "{status}");
            assert_eq!(step(Statuses::Every3xx) == Step::Redirected, (300..400).contains(&status), "{status}");
        }
    }

    #[test]
    fn locations_are_relative_or_absolute_and_must_be_there() {
        let mut redirects = starting("http://a/b/c?d", RedirectRules::COMMON);
        for (location, url) in [("e", "http://a/b/e"), ("/f?g", "http://a/f?g"), ("//h", "http://h/"), ("https://i/", "https://i/")] {
            assert_eq!(answer(&mut redirects, 302, Some(location)), Ok(Step::Redirected));
            assert_eq!(redirects.url().as_str(), url);
        }
        for location in [None, Some("https://"), Some("http://a b/")] {
            assert_eq!(answer(&mut redirects, 302, location), Err(RedirectError::NoLocation), "{location:?}");
        }
        assert_eq!(redirects.url().as_str(), "https://i/");
    }

    #[test]
    fn nobody_is_sent_from_encrypted_to_plain() {
        for (from, to, expected) in [
            ("http", "http", true),
            ("http", "https", true),
            ("https", "https", true),
            ("https", "http", false),
            ("http", "ftp", false),
            ("https", "file", false),
        ] {
            let done = answer(&mut starting(&format!("{from}://host/"), RedirectRules::COMMON), 301, Some(&format!("{to}://host/")));
            assert_eq!(done.is_ok(), expected, "{from} {to}");
            if let Err(error) = done {
                assert_eq!(error.to_string(), format!("refusing a redirect from {from} to {to}"));
            }
        }
    }

    #[test]
    fn a_chain_of_redirects_has_an_end() {
        let mut redirects = starting("http://a/0", RedirectRules { most: 3, ..RedirectRules::COMMON });
        for next in ["1", "2", "3"] {
            assert_eq!(answer(&mut redirects, 302, Some(next)), Ok(Step::Redirected));
        }
        assert_eq!(answer(&mut redirects, 302, Some("4")), Err(RedirectError::TooMany(3)));
        assert_eq!(redirects.url().as_str(), "http://a/4");
    }

    #[test]
    fn user_information_counts_where_the_rules_say_so() {
        for (rules, expected) in [(RedirectRules::COMMON, None), (KEPT, Some(Basic::new("u", "p@")))] {
            let mut redirects = starting("http://u:p%40@a/", rules);
            assert_eq!((redirects.user(), redirects.url().as_str()), (expected.clone(), "http://a/"));
            answer(&mut redirects, 302, Some("/here")).unwrap();
            assert_eq!((redirects.user(), redirects.url().as_str()), (expected.clone(), "http://a/here"));
            answer(&mut redirects, 302, Some("http://b/")).unwrap();
            assert_eq!(redirects.user(), None);
            answer(&mut redirects, 302, Some("http://u:p%40@c/")).unwrap();
            assert_eq!((redirects.user(), redirects.url().as_str()), (expected, "http://c/"));
        }
    }
}
