//! Which artifacts objects claim, from what is watched.

use headwater_api::GitRepository;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::serve::artifacts::Claims;

/// Claims of the objects in a store.
pub struct Stored(pub Store<GitRepository>);

impl Claims for Stored {
    fn digest(&self, path: &str) -> Option<String> {
        let mut parts = path.split('/');
        let (_kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let object = self.0.get(&ObjectRef::new(name).within(namespace))?;
        let artifact = object.status.as_ref()?.artifact.as_ref()?;
        (artifact.path == path).then(|| artifact.digest.clone())
    }

    fn known(&self) -> bool {
        use futures::FutureExt;
        self.0.wait_until_ready().now_or_never().is_some()
    }
}
