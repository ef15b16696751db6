//! Bodies of answers that break off, fall silent or never end.

use std::{io, time::Duration};

use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt as _, stream};

/// The size of the pieces of bodies without end, in bytes.
const PIECE: usize = 64 << 10;

/// Pieces of a body, as they come.
fn body(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    Body::from_stream(pieces)
}

fn one(bytes: Bytes) -> impl Stream<Item = io::Result<Bytes>> {
    stream::once(async move { Ok(bytes) })
}

/// These bytes, and then the end of the connection, although the answer says that more comes.
pub fn cut(bytes: impl Into<Bytes>) -> Body {
    let end = stream::once(async {
        // The bytes are to be on their way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::ErrorKind::ConnectionReset.into())
    });
    body(one(bytes.into()).chain(end))
}

/// These bytes; then nothing comes any more.
pub fn stalled(bytes: impl Into<Bytes>) -> Body {
    body(one(bytes.into()).chain(stream::pending()))
}

/// This text again and again, for ever.
pub fn endless(text: &'static str) -> Body {
    let piece = Bytes::from(text.repeat(PIECE / text.len().max(1)));
    body(stream::repeat_with(move || Ok(piece.clone())))
}

/// These bytes in pieces of that size, whose sum is not said before.
pub fn chunked(bytes: impl Into<Bytes>, size: usize) -> Body {
    let bytes = bytes.into();
    let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    body(stream::iter(pieces))
}

/// These bytes, one after a pause each.
pub fn slow(bytes: impl Into<Bytes>, pause: Duration) -> Body {
    let bytes = bytes.into();
    body(stream::iter(bytes).then(move |byte| async move {
        tokio::time::sleep(pause).await;
        Ok(Bytes::from(vec![byte]))
    }))
}
