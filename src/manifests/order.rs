//! What is to be there, in the order in which it can come about. Pure.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    parse::{Key, Object},
    read::Manifests,
};

/// Where an object is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line where its document starts, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// All objects once.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order in which to apply them.
    pub objects: Vec<(Place, Arc<Object>)>,
    /// Those that are there again: the object, where again, and where first. The first one counts.
    pub again: Vec<(Key, Place, Place)>,
}

/// How early an object is applied; it is deleted as late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A kind, without which there are no objects of it.
    Kind,
    /// A namespace, without which there is nothing in it.
    Namespace,
    /// What other objects read.
    Read,
    /// All else.
    Rest,
}

impl Rank {
    /// That of an object.
    pub fn of(key: &Key) -> Self {
        match (key.group.as_str(), key.kind.as_str()) {
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Kind,
            ("", "Namespace") => Self::Namespace,
            ("", "ServiceAccount" | "Secret" | "ConfigMap") => Self::Read,
            _ => Self::Rest,
        }
    }
}

/// What the files ask for. Of objects of the same rank those of the first path come first.
pub fn plan(files: &Manifests) -> Plan {
    let mut first: BTreeMap<&Key, Place> = BTreeMap::new();
    let mut plan = Plan::default();
    let place = |path: &Path, object: &Object| Place { file: path.to_owned(), line: object.line };
    for (path, object) in files.iter().flat_map(|(path, file)| file.objects.iter().map(move |object| (path, object))) {
        let here = place(path, object);
        if let Some(there) = first.get(&object.key) {
            plan.again.push((object.key.clone(), here, there.clone()));
        } else {
            first.insert(&object.key, here.clone());
            plan.objects.push((here, Arc::clone(object)));
        }
    }
    plan.objects.sort_by_key(|(_, object)| Rank::of(&object.key));
    plan
}

/// Sorts what is to be deleted: what others depend on last.
pub fn backwards(keys: &mut [Key]) {
    keys.sort_by(|a, b| (Reverse(Rank::of(a)), a).cmp(&(Reverse(Rank::of(b)), b)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::read::Manifest;

    fn files(texts: &[(&str, &str)]) -> Manifests {
        texts.iter().map(|(path, text)| (PathBuf::from(path), Manifest::holding(text))).collect()
    }

    #[test]
    fn what_others_need_comes_first_and_goes_last() {
        let text = "{apiVersion: g/v1, kind: Thing, metadata: {name: t}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s}}\n";
        let crd = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: c}}\n";
        let ns = "{apiVersion: v1, kind: Namespace, metadata: {name: ns}}\n";
        let plan = plan(&files(&[("a.yaml", text), ("b.yaml", ns), ("c.yaml", crd)]));
        let mut keys: Vec<Key> = plan.objects.iter().map(|(_, o)| o.key.clone()).collect();
        let kinds = |keys: &[Key]| keys.iter().map(|k| k.kind.clone()).collect::<Vec<_>>();
        assert_eq!(kinds(&keys), ["CustomResourceDefinition", "Namespace", "Secret", "Thing"]);
        backwards(&mut keys);
        assert_eq!(kinds(&keys), ["Thing", "Secret", "Namespace", "CustomResourceDefinition"]);
    }

    #[test]
    fn the_first_in_path_order_counts_and_the_other_is_told_with_both_places() {
        let one = "\n{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {from: one}}\n";
        let two = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: default}, data: {from: two}}\n";
        let plan = plan(&files(&[("b/one.yaml", one), ("c.yaml", two)]));
        assert_eq!(plan.objects.len(), 1);
        assert_eq!(plan.objects[0].1.value["data"]["from"], "one");
        let (key, again, first) = &plan.again[0];
        assert_eq!(key.to_string(), "ConfigMap default/x");
        assert_eq!((again.to_string(), first.to_string()), ("c.yaml:1".to_owned(), "b/one.yaml:2".to_owned()));
    }

    #[test]
    fn the_same_object_in_another_version_is_the_same() {
        let text = "{apiVersion: g/v1, kind: T, metadata: {name: x}}\n---\n{apiVersion: g/v2, kind: T, metadata: {name: x}}\n";
        assert_eq!(plan(&files(&[("a.yaml", text)])).again.len(), 1);
    }
}
