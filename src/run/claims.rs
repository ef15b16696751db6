//! Which artifacts objects claim, from what is watched.

use kube::Resource;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::reconcile::Reconcile;
use crate::serve::artifacts::Claims;

/// Claims of objects of several kinds.
pub struct All(pub Vec<Box<dyn Claims>>);

impl Claims for All {
    fn digest(&self, path: &str) -> Option<String> {
        self.0.iter().find_map(|claims| claims.digest(path))
    }

    fn known(&self) -> bool {
        self.0.iter().all(|claims| claims.known())
    }
}

/// Claims of the objects in a store.
pub struct Stored<K: Reconcile>(pub Store<K>);

impl<K: Reconcile + Resource<Scope = NamespaceResourceScope>> Claims for Stored<K> {
    fn digest(&self, path: &str) -> Option<String> {
        let mut parts = path.split('/');
        let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        if !K::kind(&()).eq_ignore_ascii_case(kind) {
            return None;
        }
        let object = self.0.get(&ObjectRef::new(name).within(namespace))?;
        let artifact = K::common(&object.status()).artifact?;
        (artifact.path == path).then_some(artifact.digest)
    }

    fn known(&self) -> bool {
        use futures::FutureExt;
        self.0.wait_until_ready().now_or_never().is_some()
    }
}
