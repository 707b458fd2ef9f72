//! [`Response`]: where an HTTP/1.1 response in a buffer ends, and what its status is.
//!
//! Reads what the generator needs and no more: lengths by `content-length` and by chunks, and whether the
//! connection stays. Looked at from its beginning each time more has come; nearly all come in one read.

use anyhow::{Context, Result, bail};

/// A response that is there whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The server closes the connection after it.
    pub(crate) closes: bool,
    /// Where its body begins in the buffer.
    pub(crate) body: usize,
    /// Where it ends in the buffer.
    pub(crate) end: usize,
}

/// How a body ends.
enum Framing {
    Length(usize),
    Chunks,
}

// === impl Response ===

impl Response {
    /// The response at the beginning of `input`; `None` while some of it is missing.
    ///
    /// # Errors
    /// When it is no HTTP/1.1, or only the end of the connection would end it.
    pub(crate) fn find(input: &[u8]) -> Result<Option<Self>> {
        let Some(head_end) = position(input, b"\r\n\r\n") else { return Ok(None) };
        let body = head_end + 4;
        let head =
            std::str::from_utf8(input.get(..head_end).unwrap_or_default()).context("a head in UTF-8")?;
        let mut lines = head.split("\r\n");
        let status = status(lines.next().unwrap_or_default())?;
        let mut framing = matches!(status, 204 | 304).then_some(Framing::Length(0));
        let mut closes = false;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") && framing.is_none() {
                framing = Some(Framing::Length(value.parse().context("a content-length")?));
            } else if name.eq_ignore_ascii_case("transfer-encoding") && framing.is_none() {
                framing = Some(Framing::Chunks);
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        let rest = input.get(body..).unwrap_or_default();
        let length = match framing {
            Some(Framing::Length(length)) => (rest.len() >= length).then_some(length),
            Some(Framing::Chunks) => chunks_end(rest)?,
            None => bail!("a response without a length: {head}"),
        };
        Ok(length.map(|length| Self { status, closes, body, end: body + length }))
    }

    /// The value of a header field in a response that was found in `input`.
    pub(crate) fn header<'a>(&self, input: &'a [u8], name: &str) -> Option<&'a str> {
        let head = std::str::from_utf8(input.get(..self.body)?).ok()?;
        let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

fn status(line: &str) -> Result<u16> {
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).with_context(|| format!("not a status line: {line}"))
}

/// The length of a chunked body, trailers included; `None` while some of it is missing.
fn chunks_end(body: &[u8]) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line_end) = position(rest, b"\r\n") else { return Ok(None) };
        let line = std::str::from_utf8(rest.get(..line_end).unwrap_or_default()).context("a chunk's size")?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).with_context(|| format!("a chunk's size: {digits}"))?;
        if size == 0 {
            // An empty line ends the body, at once or after trailers; `\r\n` may be the one just read.
            let trailers = rest.get(line_end..).unwrap_or_default();
            return Ok(position(trailers, b"\r\n\r\n").map(|end| at + line_end + end + 4));
        }
        at += line_end + 2 + size + 2;
    }
}

fn position(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(u16, usize)> {
        Response::find(text.as_bytes()).unwrap().map(|response| (response.status, response.end))
    }

    #[test]
    fn a_response_ends_where_its_length_says_and_not_before_all_has_come() {
        let text = "HTTP/1.1 402 Payment Required\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(found(text), Some((402, text.len())));
        for end in 0..text.len() {
            assert_eq!(found(&text[..end]), None, "{end}");
        }
        assert_eq!(found(&format!("{text}HTTP/1.1 ")), Some((402, text.len())));
    }

    #[test]
    fn a_chunked_response_ends_after_its_last_chunk_and_trailers() {
        for end in ["0\r\n\r\n", "0\r\nx: y\r\n\r\n"] {
            let text = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n{end}");
            assert_eq!(found(&text), Some((200, text.len())));
            for end in 0..text.len() {
                assert_eq!(found(&text[..end]), None, "{end}");
            }
        }
    }

    #[test]
    fn a_response_that_only_a_close_would_end_is_an_error() {
        assert!(Response::find(b"HTTP/1.1 200 OK\r\n\r\nabc").is_err());
        assert!(Response::find(b"SSH-2.0-x\r\n\r\n").is_err());
        assert_eq!(found("HTTP/1.1 304 Not Modified\r\n\r\n").map(|(status, _)| status), Some(304));
    }

    #[test]
    fn close_and_fields_are_read_in_any_case() {
        let text = b"HTTP/1.1 200 OK\r\nCONNECTION: Close\r\nX-A:  b \r\ncontent-length: 0\r\n\r\n";
        let response = Response::find(text).unwrap().unwrap();
        assert!(response.closes);
        assert_eq!(response.header(text, "x-a"), Some("b"));
    }
}
