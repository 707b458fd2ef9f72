//! [`Pointer`]: where in a JSON document a value stands (RFC 6901).

use std::fmt;
use std::sync::Arc;

/// Steps of one pointer.
const STEPS_MAX: usize = 16;

/// Longest step.
const STEP_BYTES_MAX: usize = 128;

/// A JSON pointer: `/usage/total_tokens`. Never the whole document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer(Arc<[Arc<str>]>);

// === impl Pointer ===

impl Pointer {
    /// None where it is no pointer to a member.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let steps = rest.split('/').map(step).collect::<Option<Vec<Arc<str>>>>()?;
        (steps.len() <= STEPS_MAX).then(|| Self(steps.into()))
    }

    /// Names of members and places in lists, from the outermost on.
    #[must_use]
    pub fn steps(&self) -> &[Arc<str>] {
        &self.0
    }
}

fn step(text: &str) -> Option<Arc<str>> {
    let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let plain = escaped && text.len() <= STEP_BYTES_MAX && !text.chars().any(char::is_control);
    plain.then(|| text.replace("~1", "/").replace("~0", "~").into())
}

impl fmt::Display for Pointer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(out, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}
