//! What changed between two versions of an object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::{Element, Set, same};
use super::typed::{Shape, Type, array, object};

/// What differs between two values. No field is in two of the sets.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

impl Changes {
    /// Without what is below these fields of the root.
    pub(super) fn without(self, fields: &[&str]) -> Self {
        Self { removed: self.removed.without(fields), modified: self.modified.without(fields), added: self.added.without(fields) }
    }

    /// What has a new value.
    pub(super) fn written(&self) -> Set {
        self.modified.clone().union(&self.added)
    }
}

impl Type<'_> {
    /// What differs between two versions of an object.
    pub(super) fn compare(self, old: &Value, new: &Value) -> Changes {
        let mut changes = Changes::default();
        self.walk(Some(old), Some(new), &mut Vec::new(), &mut changes);
        changes
    }

    fn walk(self, left: Option<&Value>, right: Option<&Value>, path: &mut Vec<Element>, changes: &mut Changes) {
        let before = left.map(|left| self.shape(left));
        let after = right.map(|right| self.shape(right)).or(before);
        for shape in before.filter(|before| Some(*before) != after).into_iter().chain(after) {
            match shape {
                _ if self.is_leaf(shape, left, right) => {
                    if let (Some(left), Some(right)) = (left, right)
                        && !same(left, right)
                    {
                        changes.modified.insert(path);
                    }
                }
                Shape::Map => {
                    let (left, right) = (object(left), object(right));
                    let names: BTreeSet<_> = left.into_iter().chain(right).flat_map(Map::keys).collect();
                    for name in names {
                        path.push(Element::Field(name.clone()));
                        let (left, right) = (left.and_then(|map| map.get(name)), right.and_then(|map| map.get(name)));
                        self.below(name).walk(left, right, path, changes);
                        path.pop();
                    }
                }
                _ => self.walk_items(array(left), array(right), path, changes),
            }
        }
        match (left, right) {
            (None, Some(_)) => changes.added.insert(path),
            (Some(_), None) => changes.removed.insert(path),
            _ => {}
        }
    }

    /// Items that are there more than once count as one field together.
    fn walk_items(self, left: &[Value], right: &[Value], path: &mut Vec<Element>, changes: &mut Changes) {
        let mut found: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in left {
            if let Ok(element) = self.element(item) {
                found.entry(element).or_default().0.push(item);
            }
        }
        for item in right {
            if let Ok(element) = self.element(item) {
                found.entry(element).or_default().1.push(item);
            }
        }
        for (element, (left, right)) in found {
            path.push(element);
            match (left.as_slice(), right.as_slice()) {
                ([] | [_], [] | [_]) => self.items().walk(left.first().copied(), right.first().copied(), path, changes),
                ([_, _, ..], [_, _, ..]) => {
                    if left.len() != right.len() || !left.iter().zip(&right).all(|(left, right)| same(left, right)) {
                        changes.modified.insert(path);
                    }
                }
                ([_, _, ..], single) => {
                    if let Some(item) = single.first() {
                        self.items().walk(None, Some(item), path, changes);
                    }
                    changes.removed.insert(path);
                }
                (single, _) => {
                    if let Some(item) = single.first() {
                        self.items().walk(Some(item), None, path, changes);
                    }
                    changes.added.insert(path);
                }
            }
            path.pop();
        }
    }
}
