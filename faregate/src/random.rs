//! Random bytes from the system: nonces, demo keys.

/// So many random bytes.
///
/// # Errors
/// The system gives none.
pub(crate) fn bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// 32 random bytes in hexadecimal, without `0x`.
///
/// # Errors
/// The system gives none.
pub(crate) fn hex() -> anyhow::Result<String> {
    let bytes: [u8; 32] = bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
