#![expect(clippy::unwrap_used, reason = "tests")]

use headwater_testing::{command, needs};

use super::*;

/// An Ed25519 key that is all `byte`, as a file has it.
fn key(byte: u8) -> (String, Vec<u8>) {
    let blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32], &[byte; 32]].concat();
    (format!("ssh-ed25519 {}", STANDARD.encode(&blob)), blob)
}

#[test]
fn hosts_are_found_where_ssh_keygen_finds_them() {
    needs!("ssh-keygen");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    let (line, blob) = key(1);
    for names in [
        "host",
        "HOST.example.com",
        "host,other",
        "[host]:2222",
        "[host]:2222,host",
        "*.example.com",
        "h?st",
        "*",
        "*,!host",
        "!host,*",
        "!host",
        "[*]:2222",
        "10.0.*.1",
        "::1,[::1]:2222",
        "",
        "h*t*m,x",
    ] {
        for hashed in [false, true] {
            if names.is_empty() || hashed && names.contains(['*', '?', '!']) {
                continue;
            }
            std::fs::write(&file, format!("# comment\n\n{names} {line} comment\n")).unwrap();
            if hashed {
                assert!(command("ssh-keygen").arg("-q").arg("-H").arg("-f").arg(&file).output().unwrap().status.success());
            }
            let known = KnownHosts::parse(&std::fs::read(&file).unwrap()).unwrap();
            for host in ["host", "other", "host.example.com", "a.b.example.com", "hast", "10.0.3.1", "::1", "x"] {
                for port in [22, 2222] {
                    let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
                    let found = command("ssh-keygen").args(["-F", &name, "-f"]).arg(&file).output().unwrap();
                    let wanted = if found.status.success() { Verdict::Trusted } else { Verdict::Unknown };
                    assert_eq!(known.check(host, port, &blob), wanted, "{names} (hashed: {hashed}) and {name}");
                }
            }
        }
    }
}

#[test]
fn several_keys_and_marks_have_their_meaning() {
    let ((first, a), (second, b), (_, c)) = (key(1), key(2), key(3));
    let known =
        KnownHosts::parse(format!("h {first}\n  h,i {second}  \n@revoked * {second}\n@cert-authority j {first}\n").as_bytes()).unwrap();
    assert_eq!(known.check("h", 22, &a), Verdict::Trusted);
    assert_eq!(known.check("h", 22, &b), Verdict::Revoked);
    assert_eq!(known.check("h", 22, &c), Verdict::Changed(vec!["ssh-ed25519".into()]));
    assert_eq!(known.check("j", 22, &a), Verdict::Unknown);
    assert_eq!((known.has_authority("h", 22), known.has_authority("j", 22), known.has_authority("j", 23)), (false, true, false));
    assert!(known.types("j", 22).is_empty() && known.types("h", 22) == ["ssh-ed25519"]);
    let by_port = KnownHosts::parse(format!("h:2222 {first}\n[i]:22 {first}\n").as_bytes()).unwrap();
    assert_eq!(by_port.check("h", 2222, &a), Verdict::Trusted);
    assert_eq!(by_port.check("i", 22, &a), Verdict::Trusted);
}

#[test]
fn broken_lines_are_named() {
    let (line, _) = key(1);
    for (text, why) in [
        ("h", "missing key type"),
        ("h ssh-ed25519", "missing key"),
        ("h ssh-ed25519 AAAA!", "the key is not in base64"),
        ("h ssh-ed25519 AAAA", "the key is malformed"),
        ("@revoked", "missing host pattern"),
        (&format!("@other h {line}"), "unknown marker"),
        (&format!("!,h {line}"), "negation without a host name after it"),
        (&format!("|2|AAAA|AAAA {line}"), "a hashed host must be '|1|<salt>|<hash>'"),
        (&format!("|1|?|AAAA {line}"), "a hashed host is not in base64"),
    ] {
        assert_eq!(KnownHosts::parse(format!("x {line}\n{text}\n").as_bytes()).unwrap_err(), format!("knownhosts: line 2: {why}"));
    }
    assert!(KnownHosts::parse(b"\xff").is_err());
    assert_eq!(KnownHosts::parse(b"").unwrap().check("h", 22, b"k"), Verdict::Unknown);
}

#[test]
fn wildcards_cannot_be_made_slow() {
    let text = "a".repeat(10_000);
    assert!(!matches(&"*a".repeat(500), &format!("{text}b")));
    assert!(matches("*", "") && matches("a*b*", "aXbY") && !matches("a?", "a"));
}
