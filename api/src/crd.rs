//! The CustomResourceDefinitions, generated from the types.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{GitRepository, HelmChart, HelmRepository, meta};

/// One definition a kind, ready to be applied.
pub fn all() -> Vec<CustomResourceDefinition> {
    [GitRepository::crd(), HelmRepository::crd(), HelmChart::crd()].map(finish).into()
}

/// The definition as a YAML document. Fails only if the serialiser does.
pub fn yaml(crd: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { compact_list_indent: true, prefer_block_scalars: false };
    let mut text = "---\n".to_owned();
    serde_saphyr::to_fmt_writer_with_options(&mut text, crd, options)?;
    Ok(text)
}

/// Adds what the derive does not know: labels, annotations, the list kind, and the shape of a schema's root.
fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    crd.metadata.labels = Some(strings([
        ("app.kubernetes.io/component", meta::CONTROLLER),
        ("app.kubernetes.io/part-of", "flux"),
        ("app.kubernetes.io/version", version),
    ]));
    // Schemas hold `$`, which kustomize-controller would take for variables.
    crd.metadata.annotations = Some(strings([("kustomize.toolkit.fluxcd.io/substitute", "disabled")]));
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
            root(schema);
        }
    }
    crd
}

fn strings<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The root: neither spec nor status is required, and a new object's status says that nothing was observed yet.
fn root(schema: &mut JSONSchemaProps) {
    schema.required = None;
    schema.title = None;
    let properties = schema.properties.get_or_insert_default();
    if let Some(spec) = properties.get_mut("spec") {
        spec.default = None;
    }
    if let Some(status) = properties.get_mut("status") {
        status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    }
    let field = |type_: &str, description: Option<&str>| JSONSchemaProps {
        type_: Some(type_.to_owned()),
        description: description.map(str::to_owned),
        ..JSONSchemaProps::default()
    };
    let described = [
        ("apiVersion", field("string", Some("Group and version of the schema that the object follows."))),
        ("kind", field("string", Some("Kind of the object, in CamelCase."))),
        ("metadata", field("object", None)),
    ];
    properties.extend(described.map(|(name, schema)| (name.to_owned(), schema)));
}

/// Takes out what comes of Rust's `Option`, since such a field may be absent but not null, and the line breaks of comments.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        *description = description.replace('\n', " ");
    }
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| value.0 != Value::Null);
    }
    schema.default.take_if(|value| value.0 == Value::Null);
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
