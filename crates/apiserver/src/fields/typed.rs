//! Values seen through a schema: what is one field, and what is a set or a map of fields.

use std::collections::BTreeMap;

use headwater_golang::quote;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool};
use serde_json::{Map, Value};

use super::meta::{OBJECT_META, STRING};
use super::path::{Element, Node, Set};

/// What a schema says at one place. With no schema, maps are merged key by key and lists are one field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type<'a> {
    pub(super) schema: Option<&'a JSONSchemaProps>,
    /// Fields that no schema knows are allowed from here on.
    keeps: bool,
    /// A whole object, with the apiVersion, kind and metadata that all have.
    object: bool,
}

/// How a value is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Map,
    Scalar,
    List,
}

/// What a schema says of the key of a map.
pub(super) enum Child<'a> {
    /// Declared by its name.
    Named(Type<'a>),
    /// One of many of a kind.
    Other(Type<'a>),
    /// Not allowed.
    Unknown,
}

pub(super) fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object).filter(|map| !map.is_empty())
}

pub(super) fn array(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl<'a> Type<'a> {
    const DEDUCED: Self = Self { schema: None, keeps: true, object: false };

    fn of(schema: &'a JSONSchemaProps, parent: Self) -> Self {
        let keeps = parent.keeps || schema.x_kubernetes_preserve_unknown_fields == Some(true);
        Self { schema: Some(schema), keeps, object: schema.x_kubernetes_embedded_resource == Some(true) }
    }

    /// The type of whole objects of a kind.
    pub(super) fn root(schema: &'a JSONSchemaProps) -> Self {
        let bare = Self { schema: None, keeps: false, object: false };
        Self { object: true, ..Self::of(schema, bare) }
    }

    fn allows(self, shape: Shape) -> bool {
        match self.schema.and_then(|schema| schema.type_.as_deref()) {
            None | Some("") => true,
            Some("object") => shape == Shape::Map,
            Some("array") => shape == Shape::List,
            Some(_) => shape == Shape::Scalar,
        }
    }

    /// How this value is taken apart; by the schema where the value does not fit it.
    pub(super) fn shape(self, value: &Value) -> Shape {
        let own = match value {
            Value::Null => None,
            Value::Object(_) => Some(Shape::Map),
            Value::Array(_) => Some(Shape::List),
            _ => Some(Shape::Scalar),
        };
        let own = own.filter(|shape| self.allows(*shape));
        own.or_else(|| [Shape::Map, Shape::Scalar, Shape::List].into_iter().find(|shape| self.allows(*shape))).unwrap_or(Shape::Scalar)
    }

    pub(super) fn child(self, name: &str) -> Child<'a> {
        let Some(schema) = self.schema else { return Child::Other(Self::DEDUCED) };
        let own = Self { schema: Some(&OBJECT_META), keeps: false, object: false };
        match name {
            "metadata" if self.object => return Child::Named(own),
            "apiVersion" | "kind" if self.object => return Child::Named(Self { schema: Some(&STRING), ..own }),
            _ => {}
        }
        let named = schema.properties.as_ref();
        if let Some(found) = named.and_then(|named| named.get(name)) {
            return Child::Named(Self::of(found, self));
        }
        match &schema.additional_properties {
            Some(JSONSchemaPropsOrBool::Schema(found)) => Child::Other(Self::of(found, self)),
            Some(JSONSchemaPropsOrBool::Bool(true)) => Child::Other(Self::DEDUCED),
            None if self.keeps || !self.object && named.is_none_or(BTreeMap::is_empty) => Child::Other(Self::DEDUCED),
            _ => Child::Unknown,
        }
    }

    pub(super) fn below(self, name: &str) -> Self {
        match self.child(name) {
            Child::Named(found) | Child::Other(found) => found,
            Child::Unknown => Self::DEDUCED,
        }
    }

    pub(super) fn items(self) -> Self {
        match self.schema.and_then(|schema| schema.items.as_ref()) {
            Some(JSONSchemaPropsOrArray::Schema(found)) => Self::of(found, self),
            _ => Self::DEDUCED,
        }
    }

    fn keys(self) -> &'a [String] {
        self.schema.and_then(|schema| schema.x_kubernetes_list_map_keys.as_deref()).unwrap_or_default()
    }

    /// Whether maps or lists here are one field as a whole.
    pub(super) fn is_atomic(self, shape: Shape) -> bool {
        let schema = self.schema;
        match shape {
            Shape::Scalar => true,
            Shape::Map => schema.is_some_and(|schema| schema.x_kubernetes_map_type.as_deref() == Some("atomic")),
            Shape::List => !matches!(schema.and_then(|schema| schema.x_kubernetes_list_type.as_deref()), Some("set" | "map")),
        }
    }

    /// How an item of a set or map of items is told from the others.
    pub(super) fn element(self, item: &Value) -> Result<Element, String> {
        let keys = self.keys();
        if keys.is_empty() {
            return match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                item => Ok(Element::Value(item.clone())),
            };
        }
        let map = match item {
            Value::Object(map) => map,
            Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        };
        let default = |key: &str| self.items().below(key).schema.and_then(|schema| schema.default.as_ref()).map(|json| json.0.clone());
        let found = keys.iter().filter_map(|key| Some((key.clone(), map.get(key).cloned().or_else(|| default(key))?)));
        let found: BTreeMap<_, _> = found.collect();
        if found.is_empty() {
            let keys: Vec<_> = keys.iter().map(|key| quote(key)).collect();
            let text = "associative list with keys has an element that omits all key fields";
            return Err(format!("{text} [{}] (and doesn't have default values for any key fields)", keys.join(" ")));
        }
        Ok(Element::Key(found.into_iter().collect()))
    }

    /// Whether two values are compared and merged as a whole. Nothing and empty is told apart only so.
    pub(super) fn is_leaf(self, shape: Shape, left: Option<&Value>, right: Option<&Value>) -> bool {
        self.is_atomic(shape)
            || match shape {
                Shape::Map => object(left).is_none() && object(right).is_none(),
                _ => array(left).is_empty() && array(right).is_empty(),
            }
    }

    /// Every field that a value sets.
    pub(super) fn set_of(self, value: &Value) -> Set {
        let mut set = Set::default();
        self.collect(value, &mut Vec::new(), &mut set);
        set
    }

    fn collect(self, value: &Value, path: &mut Vec<Element>, set: &mut Set) {
        let shape = self.shape(value);
        if self.is_atomic(shape) {
            set.insert(path);
            return;
        }
        if shape == Shape::Map {
            for (name, value) in object(Some(value)).into_iter().flatten() {
                path.push(Element::Field(name.clone()));
                let child = self.child(name);
                let named = matches!(child, Child::Named(_));
                self.below(name).collect(value, path, set);
                if !named || value.is_null() || value.as_object().is_some_and(Map::is_empty) {
                    set.insert(path);
                }
                path.pop();
            }
            return;
        }
        let mut found: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
        for item in array(Some(value)) {
            if let Ok(element) = self.element(item) {
                found.entry(element).or_default().push(item);
            }
        }
        for (element, items) in found {
            path.push(element);
            if let [item] = items.as_slice() {
                self.items().collect(item, path, set);
            }
            set.insert(path);
            path.pop();
        }
    }

    /// The set with every field that a schema names as a member when anything below it is in the set.
    pub(super) fn with_named(self, set: &Set) -> Set {
        let node = |(element, node): (&Element, &Node)| {
            let (named, below) = match element {
                Element::Field(name) => (matches!(self.child(name), Child::Named(_)), self.below(name)),
                Element::Key(_) => (false, self.items()),
                _ => (false, Self::DEDUCED),
            };
            (element.clone(), Node { member: node.member || named && !node.below.is_empty(), below: below.with_named(&node.below) })
        };
        Set(set.0.iter().map(node).collect())
    }

    /// The set for a schema that has become coarser since: what is below a field that is now one whole is that field.
    pub(super) fn settled(self, set: Set) -> Set {
        let settle = |(element, node): (Element, Node)| {
            let below = match &element {
                Element::Field(name) => self.below(name),
                _ => self.items(),
            };
            let shape = [Shape::Map, Shape::Scalar, Shape::List].into_iter().find(|shape| below.allows(*shape));
            let whole = shape.is_some_and(|shape| shape != Shape::Scalar && below.schema.is_some() && below.is_atomic(shape));
            let node = if whole && !node.below.is_empty() {
                Node { member: true, below: Set::default() }
            } else {
                Node { member: node.member, below: below.settled(node.below) }
            };
            (element, node)
        };
        Set(set.0.into_iter().map(settle).collect())
    }

    /// The value without the fields of the set. What has become empty by that is null.
    pub(super) fn remove(self, value: &Value, set: &Set) -> Value {
        let shape = self.shape(value);
        let kept = match (shape, value) {
            (Shape::Scalar, value) => return value.clone(),
            (Shape::Map, Value::Object(map)) if !self.is_atomic(shape) => {
                let keep = |(name, value): (&String, &Value)| {
                    let value = match set.0.get(&Element::Field(name.clone())) {
                        Some(node) if node.member => return None,
                        Some(node) => self.below(name).remove(value, &node.below),
                        None => value.clone(),
                    };
                    Some((name.clone(), value))
                };
                Some(map.iter().filter_map(keep).collect::<Map<_, _>>()).filter(|map| !map.is_empty()).map(Value::Object)
            }
            (Shape::List, Value::Array(items)) if !self.is_atomic(shape) => {
                let keep = |item: &Value| match self.element(item).ok().and_then(|element| set.0.get(&element)) {
                    Some(node) if node.member => None,
                    Some(node) => Some(self.items().remove(item, &node.below)),
                    None => Some(item.clone()),
                };
                Some(items.iter().filter_map(keep).collect::<Vec<_>>()).filter(|items| !items.is_empty()).map(Value::Array)
            }
            _ => None,
        };
        kept.unwrap_or_default()
    }
}
