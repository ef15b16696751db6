//! Tests of fetching from real servers: Git over HTTP, HTTPS and SSH, proxies, Git LFS, and servers that lie.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod alone;
mod client;
mod old_servers;
mod packs;
mod parts;
mod proxies;
mod ssh;
mod tls_clients;
