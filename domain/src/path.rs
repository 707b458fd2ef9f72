//! [`CanonicalPath`]: the one form of a request path that is matched, priced and forwarded, byte for byte.
//!
//! What two parsers could read in two ways is refused, never guessed (DESIGN section 7): each refusal here
//! was a free ride somewhere (notes/protocol.md section 4.11). The query is no part of it.

use thiserror::Error;

/// Longest path that is looked at, in bytes.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

/// An absolute path in canonical form: no empty, `.` or `..` segment (but one trailing slash may stand), escapes
/// of unreserved characters decoded, all others kept with upper-case digits. Its only constructor is
/// [`CanonicalPath::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath {
    text: String,
    /// Where the first segment with an escaped slash begins, counted in segments.
    escaped_slash: Option<usize>,
}

/// Why a path is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// Does not begin with a slash.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// `//` somewhere.
    #[error("the path has an empty segment (`//`)")]
    EmptySegment,
    /// `.` or `..`, escaped or not.
    #[error("the path has a `.` or `..` segment")]
    DotSegment,
    /// A percent sign without two hexadecimal digits.
    #[error("the path has a broken percent escape")]
    BrokenEscape,
    /// An escape of an escape, such as `%252F`.
    #[error("the path is escaped twice")]
    DoubleEscape,
    /// A character that may not stand in a path, escaped or not: control characters, backslash, `;`, quotes...
    #[error("the path has a character that is not allowed there")]
    Character,
    /// The escapes of a segment do not make UTF-8.
    #[error("the path's escapes are not UTF-8")]
    Encoding,
}

// === impl CanonicalPath ===

impl CanonicalPath {
    /// Reads the path of a request target as it came, without its query.
    ///
    /// # Errors
    /// See [`PathError`]: whatever is ambiguous.
    pub fn parse(raw: &[u8]) -> Result<Self, PathError> {
        if raw.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        let rest = raw.strip_prefix(b"/").ok_or(PathError::NotAbsolute)?;
        let mut text = String::with_capacity(raw.len());
        let mut escaped_slash = None;
        let mut segments = rest.split(|byte| *byte == b'/').enumerate().peekable();
        while let Some((index, segment)) = segments.next() {
            if segment.is_empty() && segments.peek().is_some() {
                return Err(PathError::EmptySegment);
            }
            text.push('/');
            let start = text.len();
            if push_segment(&mut text, segment)? && escaped_slash.is_none() {
                escaped_slash = Some(index);
            }
            if matches!(&text[start..], "." | "..") {
                return Err(PathError::DotSegment);
            }
        }
        Ok(Self { text, escaped_slash })
    }

    /// The canonical text, to be matched and forwarded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments between the slashes; a trailing slash gives an empty last one.
    pub fn segments(&self) -> impl Iterator<Item = &str> + Clone {
        self.text[1..].split('/')
    }

    /// The index of the first segment that holds `%2F`.
    #[must_use]
    pub const fn escaped_slash(&self) -> Option<usize> {
        self.escaped_slash
    }

    /// The path as a careless server might read it: every escape decoded, cut where that gives a `?` or `#`, lower case,
    /// no trailing slash, dot or space.
    /// Never forwarded; only used to see that a free route is not a spelling of a priced one.
    #[must_use]
    pub fn folded(&self) -> String {
        fold(&self.text)
    }
}

/// Lower case, every escape decoded, no trailing slash. See [`CanonicalPath::folded`].
pub(crate) fn fold(text: &str) -> String {
    let decoded = percent_decode(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
    let mut folded = String::from_utf8_lossy(&decoded).to_lowercase();
    folded.truncate(folded.find(['?', '#']).unwrap_or(folded.len()));
    while folded.len() > 1 && folded.ends_with(['/', '.', ' ']) {
        folded.pop();
    }
    folded
}

/// Appends a segment in canonical form; tells whether it holds an escaped slash.
fn push_segment(text: &mut String, segment: &[u8]) -> Result<bool, PathError> {
    let mut escaped_slash = false;
    let mut index = 0;
    let start = text.len();
    while let Some(&byte) = segment.get(index) {
        if byte != b'%' {
            if !may_stand(byte) {
                return Err(PathError::Character);
            }
            text.push(char::from(byte));
            index += 1;
            continue;
        }
        let escaped = escape_at(segment, index).ok_or(PathError::BrokenEscape)?;
        index += 3;
        match escaped {
            _ if is_unreserved(escaped) => text.push(char::from(escaped)),
            0..=0x1f | 0x7f | b'\\' | b';' => return Err(PathError::Character),
            _ => {
                escaped_slash |= escaped == b'/';
                text.push_str(&format!("%{escaped:02X}"));
            }
        }
    }
    // Looked for in what is forwarded: `%25%32e` is one as well, once its digit stands there in the clear.
    let is_escape = |after: &str| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if text[start..].split("%25").skip(1).any(is_escape) {
        return Err(PathError::DoubleEscape);
    }
    match percent_decode(segment).map(String::from_utf8) {
        Some(Ok(_)) => Ok(escaped_slash),
        _ => Err(PathError::Encoding),
    }
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut index = 0;
    while let Some(&byte) = text.get(index) {
        if byte == b'%' {
            decoded.push(escape_at(text, index)?);
            index += 3;
        } else {
            decoded.push(byte);
            index += 1;
        }
    }
    Some(decoded)
}

/// The byte that the escape at `index` stands for.
fn escape_at(text: &[u8], index: usize) -> Option<u8> {
    let digit = |offset: usize| text.get(index + offset).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 `pchar` without its escapes, and without `;`, which some servers cut a segment at.
const fn may_stand(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(raw: &str) -> Result<String, PathError> {
        CanonicalPath::parse(raw.as_bytes()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn plain_paths_stay_as_they_are() {
        for path in ["/", "/a", "/a/", "/a/b.c/d~e", "/a:b@c/x,y=z", "/%E2%82%AC"] {
            assert_eq!(canonical(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn escapes_have_one_form() {
        assert_eq!(canonical("/%70aid").as_deref(), Ok("/paid"));
        assert_eq!(canonical("/%e2%82%ac").as_deref(), Ok("/%E2%82%AC"));
        assert_eq!(canonical("/a%2fb").as_deref(), Ok("/a%2Fb"));
        assert_eq!(canonical("/100%25").as_deref(), Ok("/100%25"));
    }

    #[test]
    fn s3_what_two_parsers_read_in_two_ways_is_refused() {
        let refused = [
            ("", PathError::NotAbsolute),
            ("a", PathError::NotAbsolute),
            ("//", PathError::EmptySegment),
            ("/a//b", PathError::EmptySegment),
            ("/./a", PathError::DotSegment),
            ("/a/..", PathError::DotSegment),
            ("/a/%2e%2e/b", PathError::DotSegment),
            ("/a/.%2E", PathError::DotSegment),
            ("/a%", PathError::BrokenEscape),
            ("/a%2", PathError::BrokenEscape),
            ("/a%zz", PathError::BrokenEscape),
            ("/a%+1", PathError::BrokenEscape),
            ("/%252e", PathError::DoubleEscape),
            ("/%252F", PathError::DoubleEscape),
            ("/%25%32e", PathError::DoubleEscape),
            ("/%252%65", PathError::DoubleEscape),
            ("/%25%32%65%25%32%65/a", PathError::DoubleEscape),
            ("/a\\b", PathError::Character),
            ("/a%5cb", PathError::Character),
            ("/a%00", PathError::Character),
            ("/a;x=1", PathError::Character),
            ("/a%3bx", PathError::Character),
            ("/a b", PathError::Character),
            ("/a%0d%0a", PathError::Character),
            ("/%c0%af", PathError::Encoding),
            ("/%ff", PathError::Encoding),
        ];
        for (path, error) in refused {
            assert_eq!(canonical(path), Err(error), "{path}");
        }
        assert_eq!(CanonicalPath::parse(b"/\xff"), Err(PathError::Character));
        let long = format!("/{}", "a".repeat(PATH_BYTES_MAX));
        assert_eq!(canonical(&long), Err(PathError::TooLong));
    }

    #[test]
    fn an_escaped_slash_is_marked_with_its_segment() {
        let path = CanonicalPath::parse(b"/files/a%2Fb").unwrap();
        assert_eq!(path.escaped_slash(), Some(1));
        assert_eq!(path.folded(), "/files/a/b");
    }

    #[test]
    fn folding_ignores_case_escapes_and_a_trailing_slash() {
        for path in ["/paid", "/PAID", "/Paid/", "/p%41id"] {
            assert_eq!(CanonicalPath::parse(path.as_bytes()).unwrap().folded(), "/paid", "{path}");
        }
        assert_eq!(CanonicalPath::parse(b"/").unwrap().folded(), "/");
    }
}
