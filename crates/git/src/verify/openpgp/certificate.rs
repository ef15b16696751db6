//! An OpenPGP certificate: a primary key, its user ids and its subkeys, each with the signatures that bind or revoke it.

use pgp::{
    packet::{Packet, PacketParser, PublicKey, PublicSubkey, Signature, SignatureType, SubpacketData, UserId},
    ser::Serialize,
    types::{Duration, KeyDetails, KeyVersion, PublicParams, Tag, Timestamp, VerifyingKey},
};

use super::{Refusal, names, understood};

/// Smaller RSA keys are no longer verified anywhere, in bits.
const RSA_BITS: u16 = 1024;

/// Something and the signatures that follow it.
struct Signed<T> {
    what: T,
    signatures: Vec<Signature>,
}

impl<T> Signed<T> {
    fn new(what: T) -> Self {
        Self { what, signatures: Vec::new() }
    }
}

/// What the signatures that come next are about.
enum Subject {
    Primary,
    User,
    Subkey,
    /// A picture or the like: it bears no part in verifying.
    Attribute,
}

/// The signature by which a primary key says what it is for, and until when.
struct Claim<'a> {
    signature: &'a Signature,
    /// The user id it is about is revoked, and so are all others.
    revoked: bool,
}

/// A certificate as it was read: nothing of it is trusted before [`Certificate::verify`].
pub(super) struct Certificate {
    primary: Signed<PublicKey>,
    users: Vec<Signed<UserId>>,
    subkeys: Vec<Signed<PublicSubkey>>,
    subject: Subject,
    /// A packet could not be read, and it may have been a revocation.
    damaged: bool,
}

impl Certificate {
    /// The certificates of a key ring, public and secret ones: of the latter, the public part.
    pub(super) fn read_all(ring: &[u8]) -> Vec<Self> {
        let mut certificates: Vec<Self> = Vec::new();
        for packet in PacketParser::new(ring) {
            let primary = match &packet {
                Ok(Packet::PublicKey(key)) => Some(key),
                Ok(Packet::SecretKey(key)) => Some(key.public_key()),
                _ => None,
            };
            if let Some(primary) = primary {
                certificates.push(Self {
                    primary: Signed::new(primary.clone()),
                    users: Vec::new(),
                    subkeys: Vec::new(),
                    subject: Subject::Primary,
                    damaged: false,
                });
            } else if let Some(certificate) = certificates.last_mut() {
                certificate.add(packet);
            }
        }
        certificates
    }

    fn add(&mut self, packet: pgp::errors::Result<Packet>) {
        match packet {
            Ok(Packet::Signature(signature)) => match self.subject {
                Subject::Primary => self.primary.signatures.push(signature),
                Subject::User => self.users.last_mut().map_or((), |user| user.signatures.push(signature)),
                Subject::Subkey => self.subkeys.last_mut().map_or((), |subkey| subkey.signatures.push(signature)),
                Subject::Attribute => {}
            },
            Ok(Packet::UserId(id)) => {
                self.users.push(Signed::new(id));
                self.subject = Subject::User;
            }
            Ok(Packet::PublicSubkey(key)) => self.add_subkey(key),
            Ok(Packet::SecretSubkey(key)) => self.add_subkey(key.public_key().clone()),
            Ok(Packet::UserAttribute(_)) => self.subject = Subject::Attribute,
            Ok(_) => {}
            Err(_) => self.damaged = true,
        }
    }

    fn add_subkey(&mut self, key: PublicSubkey) {
        self.subkeys.push(Signed::new(key));
        self.subject = Subject::Subkey;
    }

    /// The id of the primary key: 16 upper-case hexadecimal digits.
    pub(super) fn id(&self) -> String {
        self.primary.what.legacy_key_id().to_string().to_uppercase()
    }

    /// Whether a key of this certificate has the id that the signature names.
    pub(super) fn may_have_made(&self, signature: &Signature) -> bool {
        names(signature, &self.primary.what) || self.subkeys.iter().any(|subkey| names(signature, &subkey.what))
    }

    /// Whether a key of this certificate that may sign made the signature over the payload, and everything was in order at `now`, in
    /// seconds of Unix time.
    pub(super) fn verify(&self, payload: &[u8], signature: &Signature, now: u64) -> Result<(), Refusal> {
        if self.damaged {
            return Err(Refusal::Key("a packet cannot be read"));
        }
        let claim = self.claim()?;
        let own = claim.signature;
        let subkeys = self.subkeys.iter().filter(|subkey| names(signature, &subkey.what));
        let mut outcome = Err(Refusal::UnknownKey);
        if names(signature, &self.primary.what) {
            outcome = made_by(&self.primary.what, own, payload, signature, now).and_then(|()| in_force(&[signature, own], now));
        }
        for subkey in subkeys {
            if outcome.is_ok() {
                break;
            }
            outcome = self.verify_subkey(subkey, payload, signature, own, now);
        }
        outcome?;
        if self.revoked()? || claim.revoked {
            return Err(Refusal::KeyRevoked);
        }
        alive(&self.primary.what, own, now)
    }

    fn verify_subkey(
        &self,
        subkey: &Signed<PublicSubkey>,
        payload: &[u8],
        signature: &Signature,
        own: &Signature,
        now: u64,
    ) -> Result<(), Refusal> {
        let primary = &self.primary.what;
        let mut binding: Option<&Signature> = None;
        let mut revoked = false;
        for about in &subkey.signatures {
            match about.typ() {
                Some(SignatureType::SubkeyRevocation) => revoked = true,
                Some(SignatureType::SubkeyBinding) if understood(about) => binding = Some(later(binding, about)),
                Some(SignatureType::SubkeyBinding) => continue,
                _ => return Err(Refusal::Key("a signature of another type follows a subkey")),
            }
            about.verify_subkey_binding(primary, &subkey.what).map_err(|_| Refusal::Key("a subkey's binding is invalid"))?;
        }
        let binding = binding.ok_or(Refusal::Key("the subkey is not bound"))?;
        made_by(&subkey.what, binding, payload, signature, now)?;
        let back = binding.embedded_signature().filter(|back| understood(back));
        let back = back.ok_or(Refusal::Key("the subkey does not vouch for its primary key"))?;
        back.verify_primary_key_binding(&subkey.what, primary)
            .map_err(|_| Refusal::Key("the subkey does not vouch for its primary key"))?;
        if revoked { Err(Refusal::KeyRevoked) } else { in_force(&[signature, own, binding, back], now) }
    }

    /// What the primary key says of itself: of version 6, its latest signature over the key; before, over the primary user id.
    fn claim(&self) -> Result<Claim<'_>, Refusal> {
        let key = &self.primary.what;
        match key.version() {
            KeyVersion::V6 => {
                let direct = self
                    .primary
                    .signatures
                    .iter()
                    .filter(|signature| signature.typ() == Some(SignatureType::Key) && understood(signature) && names(signature, key));
                let signature =
                    direct.fold(None, |best, next| Some(later(best, next))).ok_or(Refusal::Key("it has no direct-key signature"))?;
                signature.verify_key(key).map_err(|_| Refusal::Key("its direct-key signature is invalid"))?;
                Ok(Claim { signature, revoked: false })
            }
            KeyVersion::V4 => self.claim_by_user(),
            _ => Err(Refusal::Key("its version is not supported")),
        }
    }

    /// Of the user ids that the key claims, the one to go by: rather one that is not revoked, then one marked as primary, then the one
    /// claimed last.
    fn claim_by_user(&self) -> Result<Claim<'_>, Refusal> {
        let mut claims = Vec::new();
        for user in &self.users {
            let mut latest: Option<&Signature> = None;
            let mut revoked = false;
            for signature in user.signatures.iter().filter(|signature| names(signature, &self.primary.what)) {
                match signature.typ() {
                    Some(SignatureType::CertRevocation) => revoked = true,
                    _ if understood(signature) => latest = Some(later(latest, signature)),
                    _ => continue,
                }
                signature
                    .verify_certification(&self.primary.what, Tag::UserId, &user.what)
                    .map_err(|_| Refusal::Key("a self-signature of a user id is invalid"))?;
            }
            claims.extend(latest.map(|signature| Claim { signature, revoked }));
        }
        let best = claims.into_iter().max_by_key(|claim| (!claim.revoked, claim.signature.is_primary(), created(claim.signature)));
        best.ok_or(Refusal::Key("it has no user id"))
    }

    /// Whether the primary key is revoked; a revocation by anyone but itself cannot be judged, and is an error.
    fn revoked(&self) -> Result<bool, Refusal> {
        let key = &self.primary.what;
        let mut revoked = false;
        for signature in self.primary.signatures.iter().filter(|signature| signature.typ() == Some(SignatureType::KeyRevocation)) {
            signature.verify_key(key).map_err(|_| Refusal::Key("a revocation is invalid, or by another key"))?;
            revoked = true;
        }
        Ok(revoked)
    }
}

/// Whether a key made the signature, and what binds the key (or, of a primary key, its self-signature) lets it.
fn made_by<K>(key: &K, bound_by: &Signature, payload: &[u8], signature: &Signature, now: u64) -> Result<(), Refusal>
where
    K: VerifyingKey + KeyDetails,
{
    if !bound_by.key_flags().sign() {
        return Err(Refusal::NotForSigning);
    }
    if rsa_bits(key.public_params()).is_some_and(|bits| bits < RSA_BITS) {
        return Err(Refusal::Key("the RSA key is too small"));
    }
    signature.verify(key, payload).map_err(|_| Refusal::Mismatch)?;
    if created(signature) < key.created_at().as_secs() {
        return Err(Refusal::OlderThanKey);
    }
    alive(key, bound_by, now)
}

/// The size of the modulus, which is written first.
fn rsa_bits(params: &PublicParams) -> Option<u16> {
    let PublicParams::RSA(params) = params else { return None };
    let mut bytes = Vec::new();
    params.to_writer(&mut bytes).ok()?;
    bytes.first_chunk().copied().map(u16::from_be_bytes)
}

/// Whether none of the signatures is expired, from the future, or says what is not understood but must be.
fn in_force(signatures: &[&Signature], now: u64) -> Result<(), Refusal> {
    for signature in signatures {
        let critical = signature.config().is_some_and(|config| {
            config.hashed_subpackets().any(|subpacket| subpacket.is_critical && matches!(subpacket.data, SubpacketData::Notation(_)))
        });
        if critical {
            return Err(Refusal::CriticalNotation);
        }
        let lifetime = signature.signature_expiration_time().map_or(0, Duration::as_secs);
        if !within(created(signature), lifetime, now) {
            return Err(Refusal::SignatureExpired);
        }
    }
    Ok(())
}

fn alive(key: &impl KeyDetails, bound_by: &Signature, now: u64) -> Result<(), Refusal> {
    let lifetime = bound_by.key_expiration_time().map_or(0, Duration::as_secs);
    if within(key.created_at().as_secs(), lifetime, now) { Ok(()) } else { Err(Refusal::KeyExpired) }
}

/// Whether `now` lies in a lifetime, in seconds; one of zero has no end.
fn within(start: u32, lifetime: u32, now: u64) -> bool {
    let start = u64::from(start);
    start <= now && (lifetime == 0 || now <= start + u64::from(lifetime))
}

/// Of two signatures about the same, the one made later; the first of those made at the same time.
fn later<'a>(one: Option<&'a Signature>, other: &'a Signature) -> &'a Signature {
    one.filter(|one| created(one) >= created(other)).unwrap_or(other)
}

fn created(signature: &Signature) -> u32 {
    signature.created().map_or(0, Timestamp::as_secs)
}
