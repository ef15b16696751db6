//! Reasons of conditions and events. Alert rules match on them, so each is spelt as stock Flux spells it.

/// What was asked for was done.
pub const SUCCEEDED: &str = "Succeeded";
/// What was asked for was not done, and nothing more precise is known.
pub const FAILED: &str = "Failed";
/// Work is under way.
pub const PROGRESSING: &str = "Progressing";
/// The last try failed and there will be another.
pub const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
/// Reconciling is switched off by the object's spec.
pub const SUSPENDED: &str = "Suspended";
/// Something that the object builds on is not ready.
pub const DEPENDENCY_NOT_READY: &str = "DependencyNotReady";
/// The object uses what a feature gate switches off.
pub const FEATURE_GATE_DISABLED: &str = "FeatureGateDisabled";
/// A new artifact was stored.
pub const NEW_ARTIFACT: &str = "NewArtifact";
/// A chart was built that the artifact does not hold.
pub const NEW_CHART: &str = "NewChart";
/// The source has a revision that the artifact does not hold.
pub const NEW_REVISION: &str = "NewRevision";
/// The artifact holds what the source has.
pub const ARTIFACT_UP_TO_DATE: &str = "ArtifactUpToDate";
/// There is no artifact where one is needed.
pub const NO_ARTIFACT: &str = "NoArtifact";
/// An object referred to does not exist.
pub const NOT_FOUND: &str = "NotFound";
/// A Git operation succeeded.
pub const GIT_OPERATION_SUCCEEDED: &str = "GitOperationSucceeded";
/// A Git operation failed.
pub const GIT_OPERATION_FAILED: &str = "GitOperationFailed";
/// The URL cannot be used.
pub const URL_INVALID: &str = "URLInvalid";
/// Credentials are missing, incomplete or refused.
pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
/// The provider is configured in a way that cannot work.
pub const INVALID_PROVIDER_CONFIGURATION: &str = "InvalidProviderConfiguration";
/// The token service is configured in a way that cannot work.
pub const INVALID_STS_CONFIGURATION: &str = "InvalidSTSConfiguration";
/// Verification could not be done.
pub const VERIFICATION_ERROR: &str = "VerificationError";
/// The verification mode does not fit the reference.
pub const INVALID_VERIFICATION_MODE: &str = "InvalidVerificationMode";
/// The object to verify carries no signature.
pub const INVALID_GIT_OBJECT: &str = "InvalidGitObject";
/// The tag's signature is not good.
pub const INVALID_TAG_SIGNATURE: &str = "InvalidTagSignature";
/// The commit's signature is not good.
pub const INVALID_COMMIT_SIGNATURE: &str = "InvalidCommitSignature";
/// A folder could not be made.
pub const DIR_CREATION_FAILED: &str = "DirectoryCreationFailed";
/// A path could not be looked at.
pub const STAT_OPERATION_FAILED: &str = "StatOperationFailed";
/// A file could not be read.
pub const READ_OPERATION_FAILED: &str = "ReadOperationFailed";
/// The artifact's lock could not be taken.
pub const ACQUIRE_LOCK_FAILED: &str = "AcquireLockFailed";
/// A path is not of the kind needed there.
pub const INVALID_PATH: &str = "InvalidPath";
/// A path leads out of the folder that it belongs to.
pub const ILLEGAL_PATH: &str = "IllegalPath";
/// Included content could not be copied.
pub const COPY_FAILURE: &str = "CopyFailure";
/// The archive could not be written.
pub const ARCHIVE_OPERATION_FAILED: &str = "ArchiveOperationFailed";
/// The link to the latest artifact could not be moved.
pub const SYMLINK_UPDATE_FAILED: &str = "SymlinkUpdateFailed";
/// A cache could not be used.
pub const CACHE_OPERATION_FAILED: &str = "CacheOperationFailed";
/// An object could not be written to the API server.
pub const PATCH_OPERATION_FAILED: &str = "PatchOperationFailed";
/// Artifacts no longer needed were deleted.
pub const GARBAGE_COLLECTION_SUCCEEDED: &str = "GarbageCollectionSucceeded";
/// Artifacts no longer needed could not be deleted.
pub const GARBAGE_COLLECTION_FAILED: &str = "GarbageCollectionFailed";
/// The index of a Helm repository could not be fetched or read.
pub const INDEXATION_FAILED: &str = "IndexationFailed";
/// A chart was taken out of a Helm repository as it is.
pub const CHART_PULL_SUCCEEDED: &str = "ChartPullSucceeded";
/// A chart was packaged anew.
pub const CHART_PACKAGE_SUCCEEDED: &str = "ChartPackageSucceeded";
/// The chart's name, path or version range cannot be used.
pub const INVALID_CHART_REFERENCE: &str = "InvalidChartReference";
/// The chart could not be found in its Helm repository or taken out of it.
pub const CHART_PULL_ERROR: &str = "ChartPullError";
/// The chart's version could not be completed with the metadata that it needs.
pub const METADATA_PATCH_ERROR: &str = "MetadataPatchError";
/// The values files could not be found or merged.
pub const VALUES_FILES_ERROR: &str = "ValuesFilesError";
/// The chart's dependencies could not be had.
pub const DEPENDENCY_BUILD_ERROR: &str = "DependencyBuildError";
/// The chart could not be packaged.
pub const CHART_PACKAGE_ERROR: &str = "ChartPackageError";
/// The chart's signature could not be verified.
pub const CHART_VERIFICATION_ERROR: &str = "ChartVerificationError";
/// Building failed, and nothing more precise is known.
pub const UNKNOWN: &str = "Unknown";
/// The source that has the chart has no artifact.
pub const NO_SOURCE_ARTIFACT: &str = "NoSourceArtifact";
/// The source that has the chart could not be read.
pub const SOURCE_UNAVAILABLE: &str = "SourceUnavailable";
/// The source that has the chart is of a kind that can have none.
pub const UNSUPPORTED_SOURCE_KIND: &str = "UnsupportedSourceKind";
