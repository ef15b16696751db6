//! The fields of the kinds that can be read from protobuf, and of what they are made of.

use self::Form::{Bool, Bytes, Int32, Int64, Json, List, Message, MicroTime, NonEmpty, Text, Time};

/// The fields of a message: their numbers, their names in JSON, and what they hold.
pub(super) type Fields = [(u64, &'static str, Form)];

/// What a field holds. What is not said to be left out is in the JSON whenever it is in the body.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    Bool,
    Int32,
    Int64,
    /// Base64 in JSON.
    Bytes,
    /// To the second, in UTC; left out if never set.
    Time,
    /// To the microsecond, in UTC; left out if never set.
    MicroTime,
    /// A message whose first field is JSON; left out if that is empty.
    Json,
    Message(&'static Fields),
    List(&'static Form),
    /// From texts to what is named here.
    Map(&'static Form),
    /// Left out if it is an empty text or zero.
    NonEmpty(&'static Form),
}

const TEXT: Form = NonEmpty(&Text);
const TEXTS: Form = List(&Text);
const TEXT_MAP: Form = Form::Map(&Text);
const BYTES_MAP: Form = Form::Map(&Bytes);
const METADATA: (u64, &str, Form) = (1, "metadata", Message(OBJECT_META));

pub(super) const TYPE_META: &Fields = &[(1, "apiVersion", Text), (2, "kind", Text)];
pub(super) const TIMESTAMP: &Fields = &[(1, "seconds", Int64), (2, "nanos", Int32)];

const OBJECT_META: &Fields = &[
    (1, "name", TEXT),
    (2, "generateName", TEXT),
    (3, "namespace", TEXT),
    (4, "selfLink", TEXT),
    (5, "uid", TEXT),
    (6, "resourceVersion", TEXT),
    (7, "generation", NonEmpty(&Int64)),
    (8, "creationTimestamp", Time),
    (9, "deletionTimestamp", Time),
    (10, "deletionGracePeriodSeconds", Int64),
    (11, "labels", TEXT_MAP),
    (12, "annotations", TEXT_MAP),
    (13, "ownerReferences", List(&Message(OWNER_REFERENCE))),
    (14, "finalizers", TEXTS),
    (17, "managedFields", List(&Message(MANAGED_FIELDS))),
];
const OWNER_REFERENCE: &Fields = &[
    (1, "kind", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "controller", Bool),
    (7, "blockOwnerDeletion", Bool),
];
const MANAGED_FIELDS: &Fields = &[
    (1, "manager", TEXT),
    (2, "operation", TEXT),
    (3, "apiVersion", TEXT),
    (4, "time", Time),
    (6, "fieldsType", TEXT),
    (7, "fieldsV1", Json),
    (8, "subresource", TEXT),
];
const OBJECT_REFERENCE: &Fields = &[
    (1, "kind", TEXT),
    (2, "namespace", TEXT),
    (3, "name", TEXT),
    (4, "uid", TEXT),
    (5, "apiVersion", TEXT),
    (6, "resourceVersion", TEXT),
    (7, "fieldPath", TEXT),
];

const NAMESPACE: &Fields = &[METADATA, (2, "spec", Message(NAMESPACE_SPEC)), (3, "status", Message(NAMESPACE_STATUS))];
const NAMESPACE_SPEC: &Fields = &[(1, "finalizers", TEXTS)];
const NAMESPACE_STATUS: &Fields = &[(1, "phase", TEXT), (2, "conditions", List(&Message(NAMESPACE_CONDITION)))];
const NAMESPACE_CONDITION: &Fields =
    &[(1, "type", Text), (2, "status", Text), (4, "lastTransitionTime", Time), (5, "reason", TEXT), (6, "message", TEXT)];

const SECRET: &Fields = &[METADATA, (2, "data", BYTES_MAP), (3, "type", TEXT), (4, "stringData", TEXT_MAP), (5, "immutable", Bool)];
const CONFIG_MAP: &Fields = &[METADATA, (2, "data", TEXT_MAP), (3, "binaryData", BYTES_MAP), (4, "immutable", Bool)];
const SERVICE_ACCOUNT: &Fields = &[
    METADATA,
    (2, "secrets", List(&Message(OBJECT_REFERENCE))),
    (3, "imagePullSecrets", List(&Message(&[(1, "name", TEXT)]))),
    (4, "automountServiceAccountToken", Bool),
];

const EVENT: &Fields = &[
    METADATA,
    (2, "involvedObject", Message(OBJECT_REFERENCE)),
    (3, "reason", TEXT),
    (4, "message", TEXT),
    (5, "source", Message(&[(1, "component", TEXT), (2, "host", TEXT)])),
    (6, "firstTimestamp", Time),
    (7, "lastTimestamp", Time),
    (8, "count", NonEmpty(&Int32)),
    (9, "type", TEXT),
    (10, "eventTime", MicroTime),
    (11, "series", Message(&[(1, "count", NonEmpty(&Int32)), (2, "lastObservedTime", MicroTime)])),
    (12, "action", TEXT),
    (13, "related", Message(OBJECT_REFERENCE)),
    (14, "reportingComponent", Text),
    (15, "reportingInstance", Text),
];

const LEASE: &Fields = &[METADATA, (2, "spec", Message(LEASE_SPEC))];
const LEASE_SPEC: &Fields = &[
    (1, "holderIdentity", Text),
    (2, "leaseDurationSeconds", Int32),
    (3, "acquireTime", MicroTime),
    (4, "renewTime", MicroTime),
    (5, "leaseTransitions", Int32),
    (6, "strategy", Text),
    (7, "preferredHolder", Text),
];

const DELETE_OPTIONS: &Fields = &[
    (1, "gracePeriodSeconds", Int64),
    (2, "preconditions", Message(&[(1, "uid", Text), (2, "resourceVersion", Text)])),
    (3, "orphanDependents", Bool),
    (4, "propagationPolicy", Text),
    (5, "dryRun", TEXTS),
    (6, "ignoreStoreReadErrorWithClusterBreakingPotential", Bool),
];

/// The fields of a kind; `None` if it can only be read as JSON. Options to delete go by the version of what they delete.
pub(super) fn of(api_version: &str, kind: &str) -> Option<&'static Fields> {
    match (api_version, kind) {
        ("v1", "Namespace") => Some(NAMESPACE),
        ("v1", "Secret") => Some(SECRET),
        ("v1", "ConfigMap") => Some(CONFIG_MAP),
        ("v1", "ServiceAccount") => Some(SERVICE_ACCOUNT),
        ("v1", "Event") => Some(EVENT),
        ("coordination.k8s.io/v1", "Lease") => Some(LEASE),
        (_, "DeleteOptions") => Some(DELETE_OPTIONS),
        _ => None,
    }
}
