//! What is in an artifact, seen from its consumer.

use std::{collections::BTreeMap, io::Read as _};

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::Archive;

/// One file, folder or link of an archive.
#[derive(Debug, PartialEq)]
pub struct Entry {
    pub mode: u32,
    pub content: Vec<u8>,
}

/// Everything in an archive but its root folder, by path.
pub type Listing = BTreeMap<String, Entry>;

/// Fetches the artifact that the status of `object` tells of.
pub async fn download(object: &Value) -> Result<Vec<u8>, String> {
    let url = object["status"]["artifact"]["url"].as_str().ok_or("no artifact")?;
    let answer = reqwest::get(url).await.map_err(|e| e.to_string())?;
    let answer = answer.error_for_status().map_err(|e| e.to_string())?;
    Ok(answer.bytes().await.map_err(|e| e.to_string())?.to_vec())
}

/// Fetches the artifact, checks its digest and its size against the status, and lists it.
pub async fn listing(object: &Value) -> Listing {
    let bytes = download(object).await.unwrap();
    check(object, &bytes);
    list(&bytes)
}

/// Panics unless the bytes are those that the status tells of.
pub fn check(object: &Value, bytes: &[u8]) {
    let artifact = &object["status"]["artifact"];
    let digest = hex::encode(Sha256::digest(bytes));
    assert_eq!(artifact["digest"], format!("sha256:{digest}"));
    assert_eq!(artifact["size"], bytes.len());
}

/// Lists a tar.gz, and panics when it is torn.
pub fn list(bytes: &[u8]) -> Listing {
    let mut listing = Listing::new();
    for entry in Archive::new(GzDecoder::new(bytes)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        let mode = entry.header().mode().unwrap() & 0o7777;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if !path.is_empty() && path != "." {
            listing.insert(path, Entry { mode, content });
        }
    }
    listing
}

/// The paths of the files of a listing, without the folders.
pub fn files(listing: &Listing) -> Vec<&str> {
    listing.iter().filter(|(_, entry)| entry.mode != 0o750).map(|(path, _)| path.as_str()).collect()
}
