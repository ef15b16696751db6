//! Answers, read within bounds of size and time.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, Response};

use crate::causes;

/// The answer to a request, whose body is still to be read.
#[derive(Debug)]
pub struct Body {
    response: Response,
    idle: Option<Duration>,
}

/// The reason that there is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum Interruption {
    /// There was no connection, or it broke.
    #[error("{}", causes(.0))]
    Broken(reqwest::Error),
    /// The server was silent for this long.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The body is larger than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The part of it that came, in bytes.
        size: u64,
        /// The bound, in bytes.
        limit: u64,
    },
}

/// Sends a request and waits for the beginning of the answer, for `idle` at most; without that, for as long as the caller does.
///
/// # Errors
/// [`Interruption::Broken`], [`Interruption::Silent`].
pub async fn send(request: RequestBuilder, idle: Option<Duration>) -> Result<Body, Interruption> {
    let response = within(idle, request.send()).await?;
    Ok(Body { response, idle })
}

impl Body {
    /// Status, headers and URL of the answer.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`Interruption::Broken`], [`Interruption::Silent`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Interruption> {
        within(self.idle, self.response.chunk()).await
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Interruption`].
    pub async fn read(&mut self, limit: u64) -> Result<Vec<u8>, Interruption> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let size = (body.len() + chunk.len()) as u64;
            if size > limit {
                return Err(Interruption::TooLarge { size, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The first `length` bytes of the body, or as much of them as comes.
    pub async fn beginning(&mut self, length: usize) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < length
            && let Ok(Some(chunk)) = self.chunk().await
        {
            let room = length - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        body
    }
}

async fn within<T>(idle: Option<Duration>, work: impl Future<Output = Result<T, reqwest::Error>>) -> Result<T, Interruption> {
    let done = match idle {
        Some(idle) => tokio::time::timeout(idle, work).await.map_err(|_| Interruption::Silent(idle))?,
        None => work.await,
    };
    done.map_err(Interruption::Broken)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Clients, Trust};

    const IDLE: Option<Duration> = Some(Duration::from_millis(200));

    /// A request to a server that answers one with `answer`, and then keeps the connection.
    async fn request(answer: &'static str) -> RequestBuilder {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Until the client is gone.
            let _ = stream.read(&mut [0; 1024]).await;
        });
        Clients::default().get(&Trust::default(), None).unwrap().get(url)
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let mut body = send(request("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345").await, IDLE).await.unwrap();
        assert_eq!(body.response().status().as_u16(), 200);
        assert_eq!(body.read(5).await.unwrap(), b"12345");
        let mut body = send(request("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345").await, IDLE).await.unwrap();
        let error = body.read(4).await.unwrap_err();
        assert!(matches!(error, Interruption::TooLarge { size: 5, limit: 4 }), "{error}");
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let error = send(request("").await, IDLE).await.unwrap_err();
        assert_eq!(error.to_string(), "no answer within 200ms");
        let mut body = send(request("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n123").await, IDLE).await.unwrap();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "123");
        assert_eq!(body.chunk().await.unwrap_err().to_string(), "no answer within 200ms");
    }

    #[tokio::test]
    async fn the_beginning_is_enough_where_the_rest_does_not_come() {
        let mut body = send(request("HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\n12345").await, IDLE).await.unwrap();
        assert_eq!(body.beginning(4).await, b"1234");
        let mut body = send(request("HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\n12345").await, IDLE).await.unwrap();
        assert_eq!(body.beginning(9).await, b"12345");
    }
}
