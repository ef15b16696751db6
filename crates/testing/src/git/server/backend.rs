//! Git's CGI program, and the capabilities that it is not to have.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::Ordering,
};

use axum::{
    body::{Body, Bytes},
    http::{Method, Response, request::Parts},
};

use super::{Shared, Wants};
use crate::web::header;

/// Runs git's CGI program for one request.
pub(super) async fn answer(shared: &Shared, head: Parts, body: Bytes) -> Response<Body> {
    let text = |name| header(&head.headers, name).unwrap_or_default();
    let dialect = *shared.dialect.lock().unwrap();
    if !(dialect.knows)("shallow") && body.windows(6).any(|bytes| bytes == b"deepen") {
        let error = "0047ERR upload-pack: protocol error, expected to get sha, not 'deepen'\n";
        return Response::builder().header("content-type", "application/x-git-upload-pack-result").body(Body::from(error)).unwrap();
    }
    let version = match (dialect.version, text("git-protocol")) {
        (2, asked) => asked,
        (1, asked) if !asked.is_empty() => "version=1".to_owned(),
        _ => String::new(),
    };
    let mut command = shared.tally.command("git");
    command
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", canonical(shared.root.path()))
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", version)
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if dialect.wants == Wants::References {
        command.envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "uploadpack.allowAnySHA1InWant"), ("GIT_CONFIG_VALUE_0", "false")]);
    }
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // A backend that refuses the request does not read it, and the pipe breaks.
        let _ = child.stdin.take().unwrap().write_all(&body);
        child.wait_with_output().unwrap().stdout
    })
    .await
    .unwrap();
    shared.sent.fetch_add(output.len(), Ordering::SeqCst);
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let mut answer = Response::builder();
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        answer = if name == "Status" { answer.status(&value[..3]) } else { answer.header(name, value) };
    }
    // Version 2 goes without the line that names the service.
    let begins = |with: &[u8]| output[end + 4..].starts_with(with);
    let advertised = head.method == Method::GET && (begins(b"001e# service") || begins(b"000eversion 2"));
    let body = if advertised { known(&output[end + 4..], dialect.knows) } else { output[end + 4..].to_vec() };
    answer.body(Body::from(body)).unwrap()
}

/// An advertisement without the capabilities that the server does not have.
fn known(mut packets: &[u8], knows: fn(&str) -> bool) -> Vec<u8> {
    let words = |text: &str| {
        let words = text.trim_end().split(' ').filter(|word| knows(word.split('=').next().unwrap_or_default()));
        words.collect::<Vec<_>>().join(" ")
    };
    let mut kept = Vec::new();
    while let Some((length, rest)) = packets.split_at_checked(4) {
        let count = usize::from_str_radix(std::str::from_utf8(length).unwrap(), 16).unwrap();
        let (line, rest) = rest.split_at(count.saturating_sub(4));
        packets = rest;
        let text = String::from_utf8_lossy(line);
        let line = if let Some((head, capabilities)) = text.split_once('\0') {
            format!("{head}\0{}\n", words(capabilities))
        } else if let Some(features) = text.strip_prefix("fetch=") {
            format!("fetch={}\n", words(features))
        } else {
            text.into_owned()
        };
        let length = if count == 0 { 0 } else { line.len() + 4 };
        kept.extend_from_slice(format!("{length:04x}{line}").as_bytes());
    }
    kept
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap()
}
