//! Keys and signatures that no tool makes: put together from the packets of real ones.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use headwater_testing::needs;
use pgp::{
    composed::{ArmorOptions, DetachedSignature, KeyType, SecretKeyParamsBuilder, SubkeyParamsBuilder},
    crypto::hash::HashAlgorithm,
    packet::{Packet, PacketParser, SubpacketData},
    ser::Serialize as _,
    types::{KeyVersion, Password},
};
use ssh_key::rand_core::OsRng;

use super::{
    openpgp::{Gpg, id, outcome},
    *,
};

/// The bytes of an armored block.
pub(super) fn dearmored(armored: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(armored.to_vec()).unwrap();
    let body = text.split_once("\n\n").unwrap().1.lines().take_while(|line| !line.starts_with(['-', '=']));
    STANDARD.decode(body.collect::<String>()).unwrap()
}

pub(super) fn armored(kind: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {kind}-----\n\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

fn packets(armored: &[u8]) -> Vec<Packet> {
    PacketParser::new(dearmored(armored).as_slice()).map(Result::unwrap).collect()
}

fn ring<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.to_writer(&mut bytes).unwrap();
    }
    armored("PGP PUBLIC KEY BLOCK", &bytes).into_bytes()
}

/// A certificate with a primary key, a user id, and a subkey: five packets.
fn with_subkey(gpg: &Gpg, user: &str) -> (String, Vec<Packet>) {
    let key = gpg.key("20200101", user, "cert", "never");
    gpg.gpg("20200101", &["--passphrase", "", "--quick-add-key", &key, "ed25519", "sign", "never"], "");
    let packets = packets(&gpg.export(user));
    assert_eq!(packets.len(), 5);
    (key, packets)
}

#[test]
fn packets_of_several_keys() {
    needs!("gpg");
    let gpg = Gpg::new();
    let (one, ours) = with_subkey(&gpg, "one");
    let (_, theirs) = with_subkey(&gpg, "two");
    let now = "20200103";
    let (by_us, by_them) = (gpg.sign("20200102", &["-u", "one"]), gpg.sign("20200102", &["-u", "two"]));
    assert_eq!(outcome(&by_us, &ring(&ours), now), Ok(id(&one)));
    // Another's subkey under the trusted primary key, bound by the other.
    assert_eq!(outcome(&by_them, &ring(ours[..3].iter().chain(&theirs[3..])), now), Err(Refusal::Key("a subkey's binding is invalid")));
    assert_eq!(outcome(&by_them, &ring(ours.iter().chain(&theirs[3..])), now), Err(Refusal::Key("a subkey's binding is invalid")));
    // A subkey that nothing binds, a primary key without a user id, and one with another's.
    assert_eq!(outcome(&by_us, &ring(&ours[..4]), now), Err(Refusal::Key("the subkey is not bound")));
    assert_eq!(outcome(&by_us, &ring(ours[..1].iter().chain(&ours[3..])), now), Err(Refusal::Key("it has no user id")));
    assert_eq!(
        outcome(&by_us, &ring(ours[..2].iter().chain(&theirs[2..3]).chain(&ours[3..])), now),
        Err(Refusal::Key("it has no user id"))
    );
    assert_eq!(
        outcome(&by_us, &ring(ours[..1].iter().chain(&theirs[1..2]).chain(&ours[2..])), now),
        Err(Refusal::Key("a self-signature of a user id is invalid"))
    );
    // A revocation by someone else.
    let third = gpg.key("20200101", "three", "sign", "never");
    let revocation = std::fs::read_to_string(gpg.folder.path().join(format!("gnupg/openpgp-revocs.d/{third}.rev"))).unwrap();
    let revocation = packets(&revocation.as_bytes()[revocation.find(":-----BEGIN").unwrap() + 1..]);
    assert_eq!(
        outcome(&by_us, &ring(ours[..1].iter().chain(&revocation).chain(&ours[1..])), now),
        Err(Refusal::Key("a revocation is invalid, or by another key"))
    );
}

#[test]
fn a_subkey_that_does_not_vouch_for_its_primary_key() {
    needs!("gpg");
    let gpg = Gpg::new();
    let (one, mut packets) = with_subkey(&gpg, "one");
    let signature = gpg.sign("20200102", &[]);
    assert_eq!(outcome(&signature, &ring(&packets), "20200103"), Ok(id(&one)));
    let Some(Packet::Signature(binding)) = packets.last_mut() else { panic!("no binding") };
    let is_back = |data: &SubpacketData| matches!(data, SubpacketData::EmbeddedSignature(_));
    let position = binding.config().unwrap().unhashed_subpackets().position(|subpacket| is_back(&subpacket.data)).unwrap();
    binding.unhashed_subpacket_remove(position).unwrap();
    assert_eq!(outcome(&signature, &ring(&packets), "20200103"), Err(Refusal::Key("the subkey does not vouch for its primary key")));
}

#[test]
fn a_signature_over_something_else_than_a_document() {
    needs!("gpg");
    let gpg = Gpg::new();
    gpg.key("20200101", "one", "sign", "never");
    let mut bytes = dearmored(gpg.sign("20200102", &[]).as_bytes());
    // One byte of tag, one of length, one of version, then the type.
    assert_eq!(bytes[2..4], [4, 0]);
    for kind in [0x02, 0x10, 0x13, 0x18, 0x19, 0x1f, 0x20, 0x40, 0x50, 0xff] {
        bytes[3] = kind;
        assert_eq!(outcome(&armored("PGP SIGNATURE", &bytes), &gpg.export("one"), "20200103"), Err(Refusal::Purpose), "{kind:#x}");
    }
    for version in [0, 2, 3, 5, 7] {
        bytes[2..4].copy_from_slice(&[version, 0]);
        assert!(outcome(&armored("PGP SIGNATURE", &bytes), &gpg.export("one"), "20200103").is_err(), "{version}");
    }
    // A packet that claims to be of four gigabytes.
    let endless = [0xc2, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 0];
    assert!(outcome(&armored("PGP SIGNATURE", &endless), &gpg.export("one"), "20200103").is_err());
    let error = verify(
        Object::Commit(&commit(&armored("PGP SIGNATURE", &bytes))),
        &keys("a", armored("PGP PUBLIC KEY BLOCK", &endless)),
        SystemTime::now(),
    );
    assert!(error.is_err());
}

#[test]
fn keys_of_version_6() {
    let signing = SubkeyParamsBuilder::default().version(KeyVersion::V6).key_type(KeyType::Ed25519).can_sign(true).build().unwrap();
    let key = SecretKeyParamsBuilder::default()
        .version(KeyVersion::V6)
        .key_type(KeyType::Ed25519)
        .can_certify(true)
        .can_sign(false)
        .primary_user_id("one".to_owned())
        .subkey(signing)
        .build()
        .unwrap()
        .generate(OsRng)
        .unwrap();
    let ring = key.to_public_key().to_armored_bytes(ArmorOptions::default()).unwrap();
    let sign = |key: &dyn Fn() -> DetachedSignature| -> Result<String, Error> {
        let signature = key().to_armored_string(ArmorOptions::default()).unwrap();
        verify(Object::Commit(&commit(&signature)), &keys("a.asc", ring.clone()), SystemTime::now())
    };
    let (password, payload) = (Password::empty(), UNSIGNED.as_bytes());
    let by_subkey = sign(&|| {
        DetachedSignature::sign_binary_data(OsRng, &key.secret_subkeys[0].key, &password, HashAlgorithm::Sha256, payload).unwrap()
    });
    let fingerprint = hex::encode_upper(pgp::types::KeyDetails::fingerprint(&key.primary_key).as_bytes());
    assert_eq!(by_subkey.as_deref(), Ok(&fingerprint[..16]));
    let by_primary =
        sign(&|| DetachedSignature::sign_binary_data(OsRng, &key.primary_key, &password, HashAlgorithm::Sha256, payload).unwrap());
    assert_eq!(by_primary, Err(Error::OpenPgp("commit".to_owned(), OpenPgpError::NoMatchingKey(Refusal::NotForSigning))));
}
