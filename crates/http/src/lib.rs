//! HTTP to servers that nobody trusts.
//!
//! Promises for everything that goes through this crate:
//!
//! - A URL prints without user, password, query and fragment, and a text that may hide a password prints without that:
//!   [`SafeUrl`], [`printable_url`]. Passwords, tokens and keys are types of `secrecy`, and the words of a server are repeated
//!   without them, in one short line: [`quote()`].
//! - Credentials and client certificates go to the server that they are for: [`Guard`]. No redirect leads from https to http:
//!   [`Redirects`].
//! - Every client comes from one pool, [`Clients`], which knows which certificates to trust and which proxy to use; clients follow
//!   no redirect by themselves.
//! - Nothing waits without an end, and nothing is read without a bound: [`Body`].
#![warn(missing_docs)]

mod body;
mod causes;
mod clients;
mod credentials;
mod fingerprint;
mod guard;
mod proxies;
mod proxy;
mod quote;
mod redirects;
mod safe_url;
mod trust;

pub use body::{Body, Interruption, send};
pub use causes::{Causes, causes};
pub use clients::{ClientPair, Clients, Unusable};
pub use credentials::{Basic, Credentials, Unsendable};
pub use fingerprint::Fingerprint;
pub use guard::{Audience, Guard};
pub use proxies::Proxies;
pub use proxy::Proxy;
pub use quote::{Excerpt, Secrets, quote};
pub use redirects::{RedirectError, RedirectRules, Redirects, Statuses, Step, UserInformation, is_safe_redirect};
pub use safe_url::{InvalidUrl, SafeUrl, decode, printable_url, without_user};
pub use trust::{ClientCertificate, Trust, has_certificates};
