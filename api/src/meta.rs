//! Names that every kind of the group shares.

/// The API group of all source kinds.
pub const GROUP: &str = "source.toolkit.fluxcd.io";

/// The served and stored API version.
pub const VERSION: &str = "v1";

/// `group/version`, as an object's `apiVersion` has it.
pub const API_VERSION: &str = "source.toolkit.fluxcd.io/v1";

/// Keeps an object until its artifacts are collected.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// Annotation that asks for a reconcile now. Its value is an opaque token: any change of it is a request, and the last
/// one handled is published as `status.lastHandledReconcileAt`.
pub const RECONCILE_REQUEST: &str = "reconcile.fluxcd.io/requestedAt";

/// The name under which events and leases are known to the rest of Flux.
pub const CONTROLLER: &str = "source-controller";
