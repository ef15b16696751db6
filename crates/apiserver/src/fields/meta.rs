//! What is the same in all objects, as far as field ownership asks. Custom kinds do not say.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use crate::builtin;

/// A string.
pub(super) static STRING: LazyLock<JSONSchemaProps> =
    LazyLock::new(|| JSONSchemaProps { type_: Some("string".to_owned()), ..JSONSchemaProps::default() });

/// The metadata of every object.
pub(super) static OBJECT_META: LazyLock<JSONSchemaProps> = LazyLock::new(builtin::metadata);
