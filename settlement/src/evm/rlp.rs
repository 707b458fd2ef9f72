//! RLP, as far as a transaction needs it: byte strings, numbers and lists (Ethereum's yellow paper, appendix B). Writing only.

/// Length from which on a length of its own is written.
const LONG: usize = 56;

/// The items of one list, in order.
#[derive(Default)]
pub(super) struct List(Vec<u8>);

// === impl List ===

impl List {
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        match bytes {
            [byte @ 0..=0x7f] => self.0.push(*byte),
            _ => {
                head(&mut self.0, 0x80, bytes.len());
                self.0.extend_from_slice(bytes);
            }
        }
        self
    }

    /// Big-endian without leading zeros; nothing at all for zero.
    pub(super) fn number(self, number: u64) -> Self {
        self.word(&number.to_be_bytes())
    }

    /// A number by its big-endian bytes.
    pub(super) fn word(self, bytes: &[u8]) -> Self {
        self.bytes(trimmed(bytes))
    }

    pub(super) fn empty_list(mut self) -> Self {
        self.0.push(0xc0);
        self
    }

    /// All of it, behind a byte that says what it is (EIP-2718).
    pub(super) fn typed(&self, kind: u8) -> Vec<u8> {
        let mut out = vec![kind];
        head(&mut out, 0xc0, self.0.len());
        out.extend_from_slice(&self.0);
        out
    }
}

fn head(out: &mut Vec<u8>, offset: u8, length: usize) {
    if length < LONG {
        out.push(offset + length.to_be_bytes()[size_of::<usize>() - 1]);
        return;
    }
    let digits = length.to_be_bytes();
    let digits = trimmed(&digits);
    // 55 is what the longest short length takes.
    out.push(offset + 55 + digits.len().to_be_bytes()[size_of::<usize>() - 1]);
    out.extend_from_slice(digits);
}

/// Without leading zeros.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of ethereum.org's page on RLP.
    #[test]
    fn strings_numbers_and_lists_are_written_as_everybody_reads_them() {
        let written = |list: List| list.typed(2)[1..].to_vec();
        assert_eq!(written(List::default()), [0xc0]);
        assert_eq!(written(List::default().bytes(b"cat").bytes(b"dog")), *b"\xc8\x83cat\x83dog");
        assert_eq!(written(List::default().number(0).number(15)), [0xc2, 0x80, 0x0f]);
        assert_eq!(written(List::default().number(1024)), [0xc3, 0x82, 0x04, 0x00]);
        assert_eq!(written(List::default().bytes(&[0x80]).empty_list()), [0xc3, 0x81, 0x80, 0xc0]);
        let text = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit";
        let long = written(List::default().bytes(text));
        assert_eq!(long[..4], [0xf8, 58, 0xb8, 56]);
        assert_eq!(long[4..], *text);
        let longer = written(List::default().bytes(&[7; 300]));
        assert_eq!(longer[..6], [0xf9, 0x01, 0x2f, 0xb9, 0x01, 0x2c]);
        assert_eq!(longer.len(), 306);
    }
}
