//! Files that hold a token.

use std::fmt;

use tokio::io::AsyncReadExt as _;

use crate::Error;

/// The most bytes that are read of a file.
const LARGEST_FILE: u64 = 64 * 1024;

/// The token in a file that the platform keeps fresh, without white space around it.
pub(crate) async fn read(path: &str) -> Result<String, Error> {
    let failed = |why: &dyn fmt::Display| Error::new(format!("failed to read token file '{path}': {why}"));
    let file = tokio::fs::File::open(path).await.map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(LARGEST_FILE).read_to_string(&mut text).await.map_err(|error| failed(&error))?;
    match text.trim() {
        "" => Err(failed(&"it is empty")),
        token => Ok(token.to_owned()),
    }
}
