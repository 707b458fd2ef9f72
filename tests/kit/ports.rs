//! [`Port`]: a port that only one test has.
//!
//! The gateway is another process, so it cannot be handed a bound socket. A port below the range of outgoing
//! connections is taken by nobody by chance; a lock on a file named after it keeps other tests away.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that tests choose from end where outgoing connections begin (Linux: 32768), or here where that is lower.
const END: u16 = 32_000;

/// How many there are to choose from.
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Reserved until dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

// === impl Port ===

impl Port {
    /// Takes one that is free.
    #[must_use]
    pub fn reserve() -> Self {
        let directory = std::env::temp_dir().join("faregate-test-ports");
        std::fs::create_dir_all(&directory).expect("a folder for port locks");
        let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(start) % COUNT;
            let number = END - COUNT + step;
            let lock = File::create(directory.join(number.to_string())).expect("a port lock");
            let is_ours = lock.try_lock().is_ok();
            // Asked as a client: a listener of ours, if only for a moment, lives on in a child that another test starts
            // just then, until that child has become its program.
            if is_ours && TcpStream::connect(("127.0.0.1", number)).is_err() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no port below {END} is free");
    }

    /// On the loopback.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.number))
    }
}
