//! Lists that are sets or maps.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Map, Value};

use super::Cause;
use super::walk::Part;

/// Finds what is in a set twice, or has the same keys as another item of a map.
pub(super) fn check(props: &JSONSchemaProps, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    Part::whole(props, value, None).walk(&mut |Part { props, value, path, .. }| {
        let Value::Array(items) = value else { return };
        match props.x_kubernetes_list_type.as_deref() {
            Some("set") => repeated(items, path, &mut causes),
            Some("map") => {
                if let Some(index) = items.iter().position(|item| !item.is_null() && !item.is_object()) {
                    let detail = "must be an object for an array of list-type map";
                    causes.push(Cause::invalid(&format!("{path}[{index}]"), &items[index], detail));
                    return;
                }
                let keys = props.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
                let key = |item: &Value, name: &String| item.get(name).map(|value| (name.clone(), value.clone()));
                let keyed: Vec<Value> =
                    items.iter().map(|item| keys.iter().filter_map(|name| key(item, name)).collect::<Map<_, _>>().into()).collect();
                repeated(&keyed, path, &mut causes);
            }
            _ => {}
        }
    });
    causes
}

/// Tells the second of equal items, once.
fn repeated(items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let mut times = std::collections::HashMap::<&Value, u32>::new();
    for (index, item) in items.iter().enumerate() {
        let times = times.entry(item).or_default();
        *times += 1;
        if *times == 2 {
            causes.push(Cause::duplicate(&format!("{path}[{index}]"), item));
        }
    }
}
