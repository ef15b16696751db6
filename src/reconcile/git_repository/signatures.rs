//! Whether commit and tag are signed as the object asks.

use std::time::SystemTime;

use headwater_api::git_repository::{GitRepository, GitRepositoryVerification, MODE_HEAD, MODE_TAG, MODE_TAG_AND_HEAD};
use headwater_api::reason;
use kube::ResourceExt;

use crate::cluster::references;
use crate::reconcile::Ctx;
use crate::reconcile::aid::{blocking, trace_event};
use crate::reconcile::failure::Failure;
use crate::reconcile::pass::{Fact, Pass};
use headwater_git::verify::{self, Keys, Object};
use headwater_git::{Checkout, Head};

/// Verifies what the object asks for, and learns how that went.
pub async fn check(object: &GitRepository, head: &Head, checkout: &Checkout, cx: &Ctx, pass: &mut Pass) -> Result<(), Failure> {
    let Some(asked) = &object.spec.verify else {
        pass.learnt(Fact::Unverified);
        return Ok(());
    };
    let namespace = object.namespace().unwrap_or_default();
    let secret = references::secret(&cx.client, &namespace, &asked.secret_ref.name).await;
    let data =
        secret.map_err(|error| Failure::unverified(reason::VERIFICATION_ERROR, format!("public keys secret error: {}", error.why())))?;
    let keys = Keys::new(&data);
    let (commit, tag) = (checkout.commit().to_vec(), checkout.tag().map(<[u8]>::to_vec));
    let (mode, head) = (asked.mode().to_owned(), head.clone());
    let message = blocking(move || signed(&mode, &head, &commit, tag.as_deref(), &keys)).await?;
    trace_event(object, cx, reason::SUCCEEDED, &message);
    pass.learnt(Fact::Verified { message, mode: asked.mode().to_owned() });
    Ok(())
}

/// Says who signed what the mode asks for.
fn signed(mode: &str, head: &Head, commit: &[u8], tag: Option<&[u8]>, keys: &Keys) -> Result<String, Failure> {
    let now = SystemTime::now();
    let mut signers = Vec::new();
    if matches!(mode, MODE_TAG | MODE_TAG_AND_HEAD) {
        let Some(named) = &head.tag else {
            let message = "cannot verify tag object's signature if a tag reference is not specified";
            return Err(Failure::unverified(reason::INVALID_VERIFICATION_MODE, message).stalled());
        };
        let name = named.object.map_or_else(|| named.name.clone(), |id| format!("{}@{id}", named.name));
        let object = Object::Tag(tag.unwrap_or_default());
        if !verify::is_signed(object) {
            let message = format!("cannot verify signature of tag '{name}' since it is not signed");
            return Err(Failure::unverified(reason::INVALID_GIT_OBJECT, message));
        }
        let key = verify::verify(object, keys, now).map_err(|error| {
            Failure::unverified(reason::INVALID_TAG_SIGNATURE, format!("signature verification of tag '{name}' failed: {error}"))
        })?;
        signers.push(format!("\n\t- tag '{name}' with key '{key}'"));
    }
    if matches!(mode, MODE_HEAD | MODE_TAG_AND_HEAD) {
        let id = head.id;
        let key = verify::verify(Object::Commit(commit), keys, now).map_err(|error| {
            Failure::unverified(reason::INVALID_COMMIT_SIGNATURE, format!("signature verification of commit '{id}' failed: {error}"))
        })?;
        signers.push(format!("\n\t- commit '{id}' with key '{key}'"));
    }
    Ok(format!("verified signature of{}", signers.concat()))
}

/// Whether the artifact that is there was made without what the object asks to be verified.
pub fn are_due(asked: Option<&GitRepositoryVerification>, verified: Option<&str>) -> bool {
    let Some(asked) = asked else { return false };
    match verified {
        None => true,
        Some(MODE_TAG_AND_HEAD) => false,
        Some(verified) => verified != asked.mode(),
    }
}
