//! Reads `headers` and `headers_file`: fields that the gateway sets on requests of its own and on those that it forwards.

use domain::Secret;

use super::section::secret_file;
use super::tree::Section;

/// Fields of one list.
const HEADERS_MAX: usize = 32;

/// Fields that the gateway sets itself, or that belong to one connection.
const FORBIDDEN_HEADERS: [&str; 14] = [
    "agent-key",
    "agent-max-price",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-payment",
];

/// What a field that the gateway sets itself begins with.
const FORBIDDEN_PREFIXES: [&str; 3] = ["faregate-", "payment-", "x-forwarded-"];

/// Headers given in the file and headers whose values are in files of their own, by name.
pub(super) fn read(section: &Section<'_>) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    let given = section.section("headers", false).entries().into_iter().map(|entry| (entry, false));
    let in_files = section.section("headers_file", false).entries().into_iter().map(|entry| (entry, true));
    for ((name, item), in_file) in given.chain(in_files) {
        let name = match header_name(&name) {
            Ok(name) => name,
            Err(message) => {
                item.fail(message);
                continue;
            }
        };
        if headers.iter().any(|(other, _)| *other == name) {
            item.fail(
                "is set twice; names of headers have no case, and `headers` and `headers_file` are one list",
            );
        }
        let value =
            if in_file { secret_file(&item) } else { item.text().map(|text| Secret::new(text.into_owned())) };
        let Some(value) = value else { continue };
        let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let text = value.expose();
        if text.is_empty() || text.trim() != text || !text.bytes().all(visible) {
            item.fail("is no value of a header: use visible ASCII characters, without spaces at its ends or line breaks");
        }
        headers.push((name, value));
    }
    if headers.len() > HEADERS_MAX {
        section.report().fail(section.spot(), format!("sets more than {HEADERS_MAX} headers"));
    }
    headers
}

fn header_name(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if lower.is_empty() || lower.len() > 64 || !lower.bytes().all(token) {
        return Err("is no name of a header".to_owned());
    }
    if lower == "host" {
        return Err("is set with `host`, beside `headers`".to_owned());
    }
    let reserved = FORBIDDEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if reserved || FORBIDDEN_HEADERS.contains(&&*lower) {
        return Err("is set by the gateway itself and cannot be injected".to_owned());
    }
    Ok(lower)
}
