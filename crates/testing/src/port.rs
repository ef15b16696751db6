//! Free ports on loopback, for processes that cannot say which port they took.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// A loopback port that is free now and that no other caller is given. It lies below the range from which the system
/// takes ports for outgoing connections, so that it is still free when the process listens on it.
pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 100).unwrap() * 200;
    loop {
        let port = first.saturating_add(NEXT.fetch_add(1, Ordering::SeqCst));
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A loopback address with a free port, such as `127.0.0.1:12345`.
pub fn address() -> String {
    format!("127.0.0.1:{}", free())
}
