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
pub(super) mod tests {
    use super::*;

    /// A transaction with `signers` signatures of this byte over a message that says `text`.
    pub(in crate::foreign) fn transaction((signers, signature): (u8, u8), text: &[u8]) -> Vec<u8> {
        let mut written = vec![signers];
        written.extend(vec![signature; usize::from(signers) * SIGNATURE]);
        written.extend(said(signers, text));
        written
    }

    /// A message of two keys and one instruction.
    fn said(signers: u8, text: &[u8]) -> Vec<u8> {
        let mut message = vec![VERSIONED, signers, 0, 1, 2];
        message.extend([1; 2 * KEY]);
        message.extend([2; KEY]);
        message.extend([1, 1, 1, 0, u8::try_from(text.len()).unwrap()]);
        message.extend(text);
        message.push(0);
        message
    }

    #[test]
    fn a_message_is_taken_whole_and_only_as_the_network_writes_it() {
        let written = transaction((2, 7), b"text");
        let whole = said(2, b"text");
        assert_eq!(message(&written), Some(&*whole));
        for cut in 0..written.len() {
            assert_eq!(message(&written[..cut]), None, "cut at {cut}");
        }
        assert_eq!(message(&[&*written, &[0]].concat()), None, "something behind it");

        let with = |place: usize, old: &[u8], new: &[u8]| {
            let mut changed = written.clone();
            let place = 1 + 2 * SIGNATURE + place;
            assert_eq!(
                changed.splice(place..place + old.len(), new.iter().copied()).collect::<Vec<_>>(),
                old
            );
            message(&changed).is_some()
        };
        assert!(with(0, &[0x80], &[0x80]));
        // As long as it was, in more bytes; another version; signers that are not those who signed, or more than there are keys.
        assert!(!with(4, &[2], &[0x82, 0]) && !with(4 + 1 + 3 * KEY, &[1], &[0x81, 0]));
        assert!(!with(0, &[0x80], &[0x81]) && !with(1, &[2], &[1]));
        assert_eq!(message(&transaction((3, 7), b"text")), None);
        // Without a version there are no lookups.
        let older = [&written[..1 + 2 * SIGNATURE], &whole[1..whole.len() - 1]].concat();
        assert_eq!(message(&older), Some(&whole[1..whole.len() - 1]));
    }

    #[test]
    fn lengths_of_two_bytes_are_read() {
        let mut written = transaction((1, 7), b"");
        written.truncate(written.len() - 2);
        written.extend([0x80, 1]);
        written.extend([9; 128]);
        written.push(0);
        assert_eq!(message(&written).map(<[u8]>::len), Some(written.len() - 1 - SIGNATURE));
        written.extend([0; PACKET]);
        assert_eq!(message(&written), None);
    }
}
