//! P8: the path that is priced is the path that is forwarded.

use domain::CanonicalPath;

/// What is taken has one form, that form means what was sent, and no server reads it as another path.
pub fn path(data: &[u8]) {
    let Ok(path) = CanonicalPath::parse(data) else { return };
    let text = path.as_str();
    let again = CanonicalPath::parse(text.as_bytes());
    assert_eq!(again.as_ref(), Ok(&path), "canonicalized twice is canonicalized once");
    assert_eq!(decoded(text.as_bytes()), decoded(data), "another path than the one that was sent: {text}");
    assert!(text.starts_with('/') && text.is_ascii(), "{text}");
    assert!(!text.contains("//"), "an empty segment: {text}");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert!(!text.contains(['\\', ';', '?', '#', '"', '<', '>', '^', '`', '{', '|', '}']), "{text}");
    for segment in path.segments() {
        for reading in readings(segment) {
            // An escaped slash is refused by all routes but those that ask for it; the segments around it are judged here.
            for part in reading.split(|byte| *byte == b'/') {
                let is_dots = matches!(part, b"." | b"..") && path.escaped_slash().is_none();
                assert!(!is_dots, "{text} is read as a path with dot segments");
            }
            assert!(!reading.contains(&0) && !reading.contains(&b'\\'), "{text}");
        }
    }
    let has_slash = path.segments().any(|segment| segment.contains("%2F"));
    assert_eq!(path.escaped_slash().is_some(), has_slash, "{text}");
    let folded = path.folded();
    assert_eq!(folded, folded.to_lowercase(), "{text}");
}

/// What servers make of a segment: as it stands, decoded once, and decoded twice.
fn readings(segment: &str) -> [Vec<u8>; 3] {
    let once = decoded(segment.as_bytes());
    let twice = decoded(&once);
    [segment.as_bytes().to_vec(), once, twice]
}

/// Escapes decoded, broken ones left as they are.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).expect("two digits"));
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}
