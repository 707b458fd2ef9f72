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
