//! [`Duty`]: work that one process does at a time, where several share the books.

use async_trait::async_trait;

/// Says whose work it is. It changes hands when whoever has it stops asking.
#[async_trait]
pub trait Duty: Send + Sync + 'static {
    /// Whether it is this process's now, and for a while. Not where nobody can tell.
    async fn is_ours(&self) -> bool;

    /// Whether another process could have it.
    fn is_shared(&self) -> bool {
        true
    }
}

/// Nobody else is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

#[async_trait]
impl Duty for Alone {
    async fn is_ours(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        false
    }
}
