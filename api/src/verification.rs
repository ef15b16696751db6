//! How signatures of OCI artifacts are to be checked: what the kinds that ask for it share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Signatures of Sigstore's cosign; so is read an object that names no provider.
pub const PROVIDER_COSIGN: &str = "cosign";
/// Signatures of Notary Project's notation.
pub const PROVIDER_NOTATION: &str = "notation";

/// Whom a certificate of keyless signing must have been issued to, and by whom. Both must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct OidcIdentityMatch {
    /// Regular expression, in Go's syntax, for the certificate's OIDC issuer.
    #[serde(deserialize_with = "lenient::or_default")]
    pub issuer: String,

    /// Regular expression, in Go's syntax, for the certificate's subject.
    #[serde(deserialize_with = "lenient::or_default")]
    pub subject: String,
}
