//! [`Mutator`]: changes inputs a little, the same way every time.

/// Pieces that parsers stumble over.
const TOKENS: [&[u8]; 40] = [
    b"/",
    b"//",
    b"/./",
    b"/../",
    b"%2e",
    b"%2E%2e",
    b"%2f",
    b"%5c",
    b"%00",
    b"%25",
    b"%252e",
    b"%c0%af",
    b"%",
    b";",
    b"\\",
    b"?",
    b"#",
    b"=",
    b"==",
    b"-",
    b"_",
    b"+",
    b"\0",
    b"\r\n",
    b" ",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"true",
    b"-1",
    b"0x",
    b"18446744073709551616",
    b"1e999",
    b"\\u0000",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\xff",
];

/// A generator and its state (splitmix64).
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

// === impl Mutator ===

impl Mutator {
    /// The same seed gives the same mutations.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A changed input: one to eight changes, pieces taken from the others now and then.
    #[must_use]
    pub fn mutate(&mut self, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(8) {
            self.change(&mut bytes, others);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.byte(),
            2 => bytes.insert(at, self.byte()),
            3 if at < end => drop(bytes.drain(at..end)),
            4 if at < end => {
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            5 => bytes.truncate(at),
            6 if !others.is_empty() => {
                let other = &others[self.below(others.len())];
                let from = self.below(other.len() + 1);
                let length = self.below(64).min(other.len() - from);
                bytes.splice(at..at, other[from..from + length].iter().copied());
            }
            7 if at < bytes.len() => {
                let flipped = bytes[at].is_ascii_alphabetic();
                bytes[at] =
                    if flipped { bytes[at] ^ 0x20 } else { b'0' + u8::try_from(self.below(10)).unwrap_or(0) };
            }
            _ => {
                let token = TOKENS[self.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// A number below `end`, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
