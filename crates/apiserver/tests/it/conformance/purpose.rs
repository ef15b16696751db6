//! What differs on purpose, and why, in the words of `docs/api-server.md`.

/// A field that differs on purpose.
pub struct OnPurpose {
    /// The name of the recording.
    pub recording: &'static str,
    /// Part of the request's label.
    pub request: &'static str,
    /// How the pointer to the field starts.
    pub pointer: &'static str,
    /// Why.
    pub reason: &'static str,
}

const fn differs(recording: &'static str, request: &'static str, pointer: &'static str, reason: &'static str) -> OnPurpose {
    OnPurpose { recording, request, pointer, reason }
}

const PARSER: &str = "What cannot be read is refused with the same code and reason, in the words of another parser";
const JSON: &str = "Answers are JSON, never protobuf or YAML";
const ABSENT: &str = "Other built-in kinds, and those of other servers, are not there";
const VERSION: &str = "The server says that it is Headwater's";
const ESTABLISHED: &str = "A definition is established when its creation is answered";
const NOMANAGER: &str = "The server itself manages no fields";
const GARBAGE: &str = "The embedded server collects garbage itself; a real API server leaves that to another program";
const DISCOVERY: &str = "Discovery names the group and version of every kind, also where a real server leaves them empty";
const OPENAPI: &str = "OpenAPI describes what clients need of operations, with other titles and names";
const STEPS: &str = "The same requests are refused, but in another order of checks, so some with another code and message";
const STATUSES: &str = "A subresource that is not there is refused as such";
const HISTORY: &str = "A watch may start from any version whose changes are still known, also one before the start of the server";
const NOOP: &str = "A write that changes nothing but what the server overrides is not written";
const GENERATION: &str = "Only kinds that count their changes have a generation";
const GET: &str = "A get does not read resourceVersion: it is always up to date";
const WARNINGS: &str = "A refusal comes without warnings";
const PATCHES: &str = "A patch after which an object cannot be read is refused without repeating the object";

/// All of them. An entry that no longer differs fails the test.
pub const DIFFERENCES: &[OnPurpose] = &[
    differs("kubectl", "GET /version", "/body/", VERSION),
    differs("kube-rs", "GET /version", "/body/", VERSION),
    differs("kube-rs", "GET /api", "/body/serverAddressByClientCIDRs", DISCOVERY),
    differs("kubectl", "GET /api?", "/body/items/", DISCOVERY),
    differs("kubectl", "GET /apis?", "/body/items/", DISCOVERY),
    differs("kubectl", "GET /openapi/v3?", "/type", OPENAPI),
    differs("kubectl", "GET /openapi/v3/", "/body/info/", OPENAPI),
    differs("kubectl", "GET /openapi/v3/", "/body/paths/", OPENAPI),
    differs("kubectl", "GET /openapi/v2?", "/", JSON),
    differs("kubectl", "/resourcequotas?", "/", ABSENT),
    differs("kubectl", "/limitranges?", "/", ABSENT),
    differs("kubectl", "/selfsubjectreviews", "/", ABSENT),
    differs("kubectl", "customresourcedefinitions/gitrepositories.source", "/body/rows/0/object/metadata/managedFields", NOMANAGER),
    differs("kubectl", "customresourcedefinitions/things.conf.example.com", "/body/metadata/managedFields", NOMANAGER),
    differs("kubectl", "customresourcedefinitions?fieldSelector", "/body/items/0/metadata/managedFields", NOMANAGER),
    differs(
        "kubectl",
        "GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.conf.example.com",
        "/body/rows/0/object/metadata/managedFields",
        NOMANAGER,
    ),
    differs("kubectl", "POST /apis/apiextensions.k8s.io", "/body/metadata/managedFields", NOMANAGER),
    differs("kubectl", "POST /apis/apiextensions.k8s.io", "/body/status", ESTABLISHED),
    differs("kubectl", "customresourcedefinitions/things.conf.example.com", "/body/metadata/resourceVersion", ESTABLISHED),
    differs("kubectl", "GET /api/v1/namespaces/conf/serviceaccounts?", "/body/rows", GARBAGE),
    differs("kubectl", "GET /api/v1/namespaces/conf/serviceaccounts", "/body/items", GARBAGE),
    differs("refusals", "not JSON (", "/body/message", PARSER),
    differs("refusals", "not JSON, built in (", "/body/message", PARSER),
    differs("refusals", "an empty body (", "/body/message", PARSER),
    differs("refusals", "an empty body, built in (", "/body/message", PARSER),
    differs("refusals", "a list for an object (", "/body/message", PARSER),
    differs("refusals", "no kind (", "/body/message", PARSER),
    differs("refusals", "labels of the wrong type (", "/body/message", PARSER),
    differs("refusals", "labels of the wrong type, built in", "/body/message", PARSER),
    differs("refusals", "another group, built in", "/body/message", PARSER),
    differs("refusals", "numbers for texts", "/body/message", PARSER),
    differs("refusals", "not base64", "/body/message", PARSER),
    differs("refusals", "a lease with a bad time", "/body/message", PARSER),
    differs("refusals", "a merge patch that is no object", "/body/message", PARSER),
    differs("refusals", "a merge patch that is empty", "/body/message", PARSER),
    differs("refusals", "a JSON patch that is an object", "/body/message", PARSER),
    differs("refusals", "an apply of another version", "/body/message", PARSER),
    differs("refusals", "an apply of the wrong type", "/body/message", PARSER),
    differs("refusals", "a bad continue token", "/body/message", PARSER),
    differs("refusals", "a field selector that is not supported, built in", "/body/message", PARSER),
    differs("refusals", "an unknown type of patch, built in", "/body/message", PARSER),
    differs("refusals", "an unknown type of patch, built in", "/body/details", PARSER),
    differs("refusals", "a body that is nested too deep", "/body/message", PARSER),
    differs("refusals", "protobuf alone", "/", JSON),
    differs("refusals", "an unknown type of answer", "/body/message", JSON),
    differs("refusals", "another kind, built in", "/", STEPS),
    differs("refusals", "no name (", "/body/", STEPS),
    differs("refusals", "a field manager that is too long", "/body/", STEPS),
    differs("refusals", "PUT with another uid", "/", STEPS),
    differs("refusals", "a merge patch of the version", "/", STEPS),
    differs("refusals", "POST to an object", "/", STEPS),
    differs("refusals", "a watch from a version that is none", "/", STEPS),
    differs("refusals", "a definition that stores two versions", "/body/", STEPS),
    differs("refusals", "another version (", "/warnings", WARNINGS),
    differs("refusals", "a merge patch with unknown fields, warned", "/warnings", WARNINGS),
    differs("refusals", "a merge patch with unknown fields (", "/", PATCHES),
    differs("refusals", "a merge patch of the wrong type", "/", PATCHES),
    differs("refusals", "DELETE of a status", "/body/", STATUSES),
    differs("refusals", "an unknown subresource (", "/", STATUSES),
    differs("refusals", "a scale where there is none", "/", STATUSES),
    differs("refusals", "a watch from a version that is forgotten", "/body", HISTORY),
    differs("refusals", "PUT with another creation time", "/body/metadata/resourceVersion", NOOP),
    differs("refusals", "a uid and times on create", "/body/metadata/generation", GENERATION),
    differs("refusals", "a get at a version that is none", "/", GET),
];
