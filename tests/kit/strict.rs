//! Reads the bytes of a connection as RFC 9112 says and in no other way: what a second parser could read differently is
//! an error. By this, a test knows that what reached an upstream is what everybody would see there.

use crate::message::{Fields, find};

/// One request that can be read in one way only.
#[derive(Clone, Debug)]
pub struct Strict {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Its fields.
    pub fields: Fields,
}

/// All requests of a connection; the last one's body may have been cut.
///
/// # Errors
/// The first thing that is ambiguous.
pub fn requests(tape: &[u8]) -> Result<Vec<Strict>, String> {
    let mut rest = tape;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = find(rest, b"\r\n\r\n").ok_or_else(|| format!("no end of a header: {}", shown(rest)))?;
        let request = head(&rest[..end])?;
        rest = body(&request, &rest[end + 4..])?;
        found.push(request);
    }
    Ok(found)
}

/// The fields of an answer.
///
/// # Errors
/// The first thing that is ambiguous.
pub fn answer(bytes: &[u8]) -> Result<Fields, String> {
    let end = find(bytes, b"\r\n\r\n").ok_or_else(|| format!("no end of a header: {}", shown(bytes)))?;
    let (first, fields) = lines(&bytes[..end])?;
    if first.starts_with("HTTP/1.1 ") { Ok(fields) } else { Err(format!("no status line: {first:?}")) }
}

fn head(bytes: &[u8]) -> Result<Strict, String> {
    let (first, fields) = lines(bytes)?;
    let words: Vec<&str> = first.split(' ').collect();
    let &[method, target, "HTTP/1.1"] = words.as_slice() else {
        return Err(format!("no request line: {first:?}"));
    };
    Ok(Strict { method: method.to_owned(), target: target.to_owned(), fields })
}

/// The first line, and the fields.
fn lines(bytes: &[u8]) -> Result<(String, Fields), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("no text: {}", shown(bytes)))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("no field: {line:?}"))?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("a name that is none: {line:?}"));
        }
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    if let Some(letter) =
        text.replace("\r\n", "").chars().find(|letter| letter.is_control() && *letter != '\t')
    {
        return Err(format!("{letter:?} in {text:?}"));
    }
    Ok((first, Fields(fields)))
}

/// What follows the body.
fn body<'a>(request: &Strict, bytes: &'a [u8]) -> Result<&'a [u8], String> {
    let lengths: Vec<&str> = request.fields.all("content-length").collect();
    let codings: Vec<&str> = request.fields.all("transfer-encoding").collect();
    if request.fields.all("host").count() != 1 {
        return Err(format!("not one host: {request:?}"));
    }
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(bytes),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length: usize = length.parse().map_err(|_| format!("no length: {length}"))?;
            Ok(bytes.get(length..).unwrap_or_default())
        }
        ([], ["chunked"]) => chunks(bytes),
        _ => Err(format!("two ways to frame a body: {request:?}")),
    }
}

fn chunks(mut bytes: &[u8]) -> Result<&[u8], String> {
    loop {
        let Some(end) = find(bytes, b"\r\n") else { return Ok(&[]) };
        let digits = std::str::from_utf8(&bytes[..end]).unwrap_or("?");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("no size of a chunk: {}", shown(&bytes[..end])));
        }
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("no size of a chunk: {digits}"))?;
        let data = &bytes[end + 2..];
        if data.len() < size + 2 {
            return Ok(&[]);
        }
        if &data[size..size + 2] != b"\r\n" {
            return Err(format!("a chunk without its end: {}", shown(bytes)));
        }
        bytes = &data[size + 2..];
        if size == 0 {
            return Ok(bytes);
        }
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_in_one_way_is_read() {
        let tape = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcPUT /b HTTP/1.1\r\nHost: x\r\n\
                    transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n";
        let found = requests(tape.as_bytes()).unwrap();
        let targets: Vec<_> = found.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(targets, ["/a", "/b", "/c"]);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_an_error() {
        for head in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: +3",
            "Transfer-Encoding: x, chunked",
            "Transfer-Encoding : chunked",
            "X: y\n Transfer-Encoding: chunked",
            "X: y\r\n folded",
            "Host: y",
        ] {
            let tape = format!("POST /a HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nabc");
            assert!(requests(tape.as_bytes()).is_err(), "{head:?}");
        }
        assert!(requests(b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n").is_err());
        assert!(
            requests(b"POST /a HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n1;x\r\na\r\n")
                .is_err()
        );
    }
}
