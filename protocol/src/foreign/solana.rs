//! A transaction of Solana, as far as it takes to know what was signed: its signatures, and one whole message behind them, written in the
//! one way that the network itself takes. What could be written otherwise would be another payment here and the same one there.

/// Bytes of a signature, and of a key or a hash.
const SIGNATURE: usize = 64;
const KEY: usize = 32;

/// Most bytes of a transaction: one packet.
const PACKET: usize = 1_232;

/// The first bit of a message that names its version; the one version that there is.
const VERSIONED: u8 = 0x80;
const VERSION: u8 = 0;

/// The message of a transaction; none where it is no whole one.
pub(super) fn message(transaction: &[u8]) -> Option<&[u8]> {
    if transaction.len() > PACKET {
        return None;
    }
    let mut rest = Rest(transaction);
    let signatures = rest.count()?;
    rest.take(signatures.checked_mul(SIGNATURE)?)?;
    let message = rest.0;
    let is_versioned = message.first()? & VERSIONED != 0;
    if is_versioned && rest.byte()? != VERSIONED | VERSION {
        return None;
    }
    // How many sign, how many of those write nothing, and how many of the others.
    let signers = usize::from(rest.byte()?);
    rest.take(2)?;
    let keys = rest.count()?;
    rest.take(keys.checked_mul(KEY)?)?;
    rest.take(KEY)?;
    for _ in 0..rest.count()? {
        rest.byte()?;
        rest.list()?;
        rest.list()?;
    }
    if is_versioned {
        for _ in 0..rest.count()? {
            rest.take(KEY)?;
            rest.list()?;
            rest.list()?;
        }
    }
    let is_whole = rest.0.is_empty() && signers == signatures && (1..=keys).contains(&signers);
    is_whole.then_some(message)
}

/// Who pays for the transaction of a message, which is the first who signs it.
pub(super) fn fee_payer(message: &[u8]) -> Option<&[u8]> {
    let mut rest = Rest(message);
    if message.first()? & VERSIONED != 0 {
        rest.byte()?;
    }
    rest.take(3)?;
    rest.count()?;
    rest.take(KEY)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

// === impl Rest ===

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A length in seven bits a byte, the lowest first, in as few bytes as it needs.
    fn count(&mut self) -> Option<usize> {
        let low = self.byte()?;
        if low < 0x80 {
            return Some(usize::from(low));
        }
        // More would not fit into a packet.
        let high = self.byte()?;
        (1..0x80).contains(&high).then(|| usize::from(high) << 7 | usize::from(low & 0x7f))
    }

    /// Bytes behind their number.
    fn list(&mut self) -> Option<()> {
        let length = self.count()?;
        self.take(length).map(drop)
    }
}

#[cfg(test)]
pub(super) mod tests;
