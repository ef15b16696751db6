//! Proxies and relays.

pub mod http;
pub mod relay;
pub mod socks;
