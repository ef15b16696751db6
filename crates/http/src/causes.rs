//! Causes of failures, without the requests that failed.

use std::error::Error;
use std::fmt;

/// Texts of an error and its causes, outermost first. Displayed in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Causes(Vec<String>);

/// The texts of `error` and its causes, but for those of reqwest itself: they name whole URLs, with user and query, and what they
/// wrap says what happened.
pub fn causes(error: &(dyn Error + 'static)) -> Causes {
    let all = std::iter::successors(Some(error), |error| (*error).source());
    Causes(all.filter(|error| !error.is::<reqwest::Error>()).map(ToString::to_string).collect())
}

impl Causes {
    /// The last cause, which says the most.
    pub fn innermost(&self) -> &str {
        self.0.last().map_or(NOTHING_KNOWN, String::as_str)
    }
}

/// Stands for the causes where reqwest alone knows what happened.
const NOTHING_KNOWN: &str = "the request failed";

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str(NOTHING_KNOWN) } else { f.write_str(&self.0.join(": ")) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Clients, Trust};

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::fmt::Error);

    #[tokio::test]
    async fn a_failed_request_is_told_without_its_url() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let request = Clients::default().get(&Trust::default(), None).unwrap().get(format!("http://127.0.0.1:{port}/?token=s3cret"));
        let error = request.send().await.unwrap_err();
        let causes = causes(&error);
        assert!(!causes.to_string().contains("s3cret") && causes.to_string().contains("refused"), "{causes}");
        assert!(causes.innermost().starts_with("Connection refused"), "{}", causes.innermost());
    }

    #[test]
    fn causes_are_told_from_the_outermost_to_the_innermost() {
        let causes = causes(&Outer(std::fmt::Error));
        assert_eq!(causes.to_string(), format!("outer: {}", std::fmt::Error));
        assert_eq!(Causes(Vec::new()).to_string(), "the request failed");
    }
}
