//! Real signatures and keys, damaged anywhere: nothing panics, and nothing but what was signed is vouched for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::{
    forged::{armored, dearmored},
    openpgp::{day, id},
    *,
};

/// Fewer than proptest's own number, which can be asked for: most cases verify several signatures.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// Signatures over the payload of [`commit`]: by a subkey of an OpenPGP key, and by an SSH key.
struct Samples {
    ring: Vec<u8>,
    openpgp: String,
    openpgp_id: String,
    authorized_keys: Vec<u8>,
    ssh: String,
}

/// Files that GnuPG and OpenSSH made once, so that these tests need neither.
fn samples() -> Samples {
    Samples {
        ring: include_bytes!("mutated/ring.asc").to_vec(),
        openpgp: include_str!("mutated/openpgp.asc").to_owned(),
        openpgp_id: id("4A01933E7A0539B75AC6DCB7EE5DC655F077606D"),
        authorized_keys: include_bytes!("mutated/authorized_keys").to_vec(),
        ssh: include_str!("mutated/ssh.sig").to_owned(),
    }
}

/// One damage; positions are of 65536 parts of the whole.
#[derive(Debug, Clone)]
enum Damage {
    Change(u16, u8),
    Remove(u16, u8),
    Insert(u16, Vec<u8>),
    Cut(u16),
    Repeat(u16, u8),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let damage = prop_oneof![
        6 => (any::<u16>(), 1_u8..).prop_map(|(at, bits)| Damage::Change(at, bits)),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (any::<u16>(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => any::<u16>().prop_map(Damage::Cut),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ];
    prop::collection::vec(damage, 1..4)
}

fn damaged(whole: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for damage in damages {
        let place = |at: u16| bytes.len() * usize::from(at) / 65536;
        match damage {
            Damage::Change(at, bits) => {
                let at = place(*at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Damage::Remove(at, length) => {
                let at = place(*at);
                bytes.drain(at..bytes.len().min(at + usize::from(*length)));
            }
            Damage::Insert(at, more) => {
                let at = place(*at);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Cut(at) => bytes.truncate(place(*at)),
            Damage::Repeat(at, length) => {
                let at = place(*at);
                bytes.extend_from_within(at..bytes.len().min(at + usize::from(*length)));
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn objects(damages in damages()) {
        let samples = samples();
        let keys = Keys::new(&BTreeMap::from([("a".to_owned(), samples.ring.clone()), ("b.sshpub".to_owned(), samples.authorized_keys.clone())]));
        for signature in [&samples.openpgp, &samples.ssh] {
            let whole = commit(signature);
            prop_assert!(verify(Object::Commit(&whole), &keys, day("20200103")).is_ok());
            let object = damaged(&whole, &damages);
            if verify(Object::Commit(&object), &keys, day("20200103")).is_ok() {
                let payload = Signed::split(Object::Commit(&object)).unwrap().payload;
                prop_assert_eq!(String::from_utf8_lossy(&payload), UNSIGNED);
            }
            let tag = damaged(format!("{UNSIGNED}{signature}").as_bytes(), &damages);
            if verify(Object::Tag(&tag), &keys, day("20200103")).is_ok() {
                let payload = Signed::split(Object::Tag(&tag)).unwrap().payload;
                prop_assert_eq!(String::from_utf8_lossy(&payload), UNSIGNED);
            }
        }
    }

    #[test]
    fn openpgp_packets(damages in damages()) {
        let samples = samples();
        let signature = damaged(&dearmored(samples.openpgp.as_bytes()), &damages);
        let ring = damaged(&dearmored(&samples.ring), &damages);
        for (signature, ring) in [
            (armored("PGP SIGNATURE", &signature), samples.ring.clone()),
            (samples.openpgp.clone(), armored("PGP PUBLIC KEY BLOCK", &ring).into_bytes()),
            (samples.openpgp.clone(), armored("PGP PRIVATE KEY BLOCK", &ring).into_bytes()),
        ] {
            if let Ok(id) = verify(Object::Commit(&commit(&signature)), &keys("a", ring), day("20200103")) {
                prop_assert_eq!(&id, &samples.openpgp_id);
            }
        }
    }

    #[test]
    fn ssh_blobs(damages in damages()) {
        let samples = samples();
        let body: String = samples.ssh.lines().filter(|line| !line.starts_with('-')).collect();
        let signature = armored("SSH SIGNATURE", &damaged(&STANDARD.decode(body).unwrap(), &damages)).replacen("\n\n", "\n", 1);
        let whole = verify(Object::Commit(&commit(&samples.ssh)), &keys("a.sshpub", samples.authorized_keys.clone()), SystemTime::now()).unwrap();
        if let Ok(id) = verify(Object::Commit(&commit(&signature)), &keys("a.sshpub", samples.authorized_keys.clone()), SystemTime::now()) {
            prop_assert_eq!(&id, &whole);
        }
        let file = damaged(&samples.authorized_keys, &damages);
        if let Ok(id) = verify(Object::Commit(&commit(&samples.ssh)), &keys("a.sshpub", file), SystemTime::now()) {
            prop_assert_eq!(&id, &whole);
        }
    }
}
