//! Parts of sentences that depend on what is refused.

/// Where else who has no wallet with us can pay.
pub(super) const fn elsewhere(on_chain: bool) -> &'static str {
    if on_chain { "; without a wallet here, pay by one of the other offers, on a public network" } else { "" }
}

/// Which method is not served, or which ones are.
pub(super) fn not_allowed(method: Option<&str>, allowed: &[String]) -> String {
    match method {
        Some(method) => format!("{method} is not served"),
        None => format!("this path is answered for {} only", allowed.join(", ")),
    }
}

/// What to do about a payment of which nobody knows whether it was recorded.
pub(super) const fn again(repeatable: bool) -> &'static str {
    if repeatable {
        "send the same payment again, it is charged at most once"
    } else {
        "a call by an agent key without an Idempotency-Key is paid for anew when it is made again: look this payment up first"
    }
}
