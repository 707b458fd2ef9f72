//! The base64 of payment headers.

use protocol::header::{PAYMENT_HEADER_BYTES_MAX, decode, encode};

/// Whatever is decoded has one meaning, and is decoded again from every spelling that means it.
pub fn header(data: &[u8]) {
    if let Ok(bytes) = decode(data) {
        assert!(data.len() <= PAYMENT_HEADER_BYTES_MAX, "longer than the limit");
        assert!(data.iter().all(|byte| byte.is_ascii_graphic()), "no white space, no control characters");
        let once = encode(&bytes);
        assert_eq!(
            decode(once.as_bytes()).as_deref(),
            Ok(bytes.as_slice()),
            "one form out, the same bytes in"
        );
    }
    let text = encode(data);
    if text.len() <= PAYMENT_HEADER_BYTES_MAX {
        assert_eq!(decode(text.as_bytes()).as_deref(), Ok(data), "what is encoded comes back");
        let other = text.replace('+', "-").replace('/', "_");
        assert_eq!(
            decode(other.trim_end_matches('=').as_bytes()).as_deref(),
            Ok(data),
            "in the other alphabet too"
        );
    } else {
        assert!(decode(text.as_bytes()).is_err());
    }
}
