//! How single values are written: durations, sizes, shares, times, addresses, names. Pure; each error says
//! what to write.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use domain::internet::is_public;
use domain::{Address, BasisPoints, UnixMillis};
use jiff::Timestamp;
use toml::de::DeValue;

use super::key_path::printable;

/// Longest duration that can be said: a year.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Longest name of a provider, a route or an agent, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// What kind of value stands there, for a message.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `"200ms"`, `"2s"`, `"5m"`, `"1h"`, `"7d"`.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let malformed = || {
        format!(
            "`{}` is not a duration: write it as \"200ms\", \"2s\", \"5m\", \"1h\" or \"7d\"",
            printable(text)
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(malformed)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(malformed()),
    };
    let duration = number.checked_mul(millis).map(Duration::from_millis);
    duration
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| format!("`{}` is longer than 366d", printable(text)))
}

/// As [`duration`] prints it.
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

/// `"512B"`, `"64KiB"`, `"10MiB"`, `"1GiB"`; in bytes.
///
/// # Errors
/// What to write instead.
pub fn size(text: &str) -> Result<u64, String> {
    let malformed = || {
        format!("`{}` is not a size: write it as \"512B\", \"64KiB\", \"10MiB\" or \"1GiB\"", printable(text))
    };
    let (number, unit) = split_unit(text).ok_or_else(malformed)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(malformed()),
    };
    number.checked_mul(bytes).ok_or_else(malformed)
}

/// A share such as `"2.5%"`, in hundredths of a per cent.
///
/// # Errors
/// What to write instead.
pub fn share(text: &str) -> Result<BasisPoints, String> {
    let malformed = || {
        format!(
            "`{}` is not a share: write it as \"2.5%\", from 0% to 100%, with at most two decimal places",
            printable(text)
        )
    };
    let number = text.strip_suffix('%').ok_or_else(malformed)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let dangling = number.ends_with('.');
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || dangling || !digits(whole) || !digits(part) {
        return Err(malformed());
    }
    let points: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| malformed())?;
    u16::try_from(points).ok().and_then(BasisPoints::new).ok_or_else(malformed)
}

/// A price of gas such as `"1.5gwei"`, in wei.
///
/// # Errors
/// What to write instead.
pub fn gwei(text: &str) -> Result<u64, String> {
    let malformed = || {
        format!(
            "`{}` is not a price of gas: write it as \"2gwei\" or \"0.05gwei\", above zero",
            printable(text)
        )
    };
    let number = text.strip_suffix("gwei").ok_or_else(malformed)?.trim_end_matches(' ');
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, most| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 9) || !digits(part, 9) {
        return Err(malformed());
    }
    let wei: u64 = format!("{whole}{part:0<9}").parse().map_err(|_| malformed())?;
    if wei == 0 { Err(malformed()) } else { Ok(wei) }
}

/// Where something is reached by HTTP, calls below it; without the slash at its end.
///
/// # Errors
/// What to write instead.
pub fn base_url(text: &str) -> Result<String, String> {
    let malformed =
        || "must be a URL without `?` and `#`, such as \"https://facilitator.example\"".to_owned();
    let rest =
        text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(malformed)?;
    // Not repeated in the message: what stands before the sign is a password.
    if rest.contains('@') {
        return Err(
            "holds a user or a password: send them as a header instead, see `headers_file`".to_owned()
        );
    }
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains(['?', '#', '\\']);
    if plain && !rest.is_empty() && !rest.starts_with(['/', ':']) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(malformed())
}

/// Whether what is said to this URL can be read and changed by others on its way: neither TLS nor a network of one's own.
pub(super) fn is_open(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if let Ok(at) = host.parse::<SocketAddr>() {
        return is_public(at.ip());
    }
    let host = host.split(':').next().unwrap_or(host);
    host.parse::<IpAddr>().map_or(host != "localhost", is_public)
}

/// A point in time with its offset, such as `2027-01-01T00:00:00Z`.
///
/// # Errors
/// What to write instead.
pub fn time(text: &str) -> Result<UnixMillis, String> {
    let timestamp = Timestamp::from_str(text.trim());
    timestamp.map(|timestamp| UnixMillis(timestamp.as_millisecond())).map_err(|_| {
        format!(
            "`{}` is not a point in time: write it with its offset, as 2027-01-01T00:00:00Z",
            printable(text)
        )
    })
}

/// An EVM address. In mixed case its checksum must be right.
///
/// # Errors
/// What to write instead.
pub fn address(text: &str) -> Result<Address, String> {
    let shown = printable(text);
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 40);
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let digits =
        digits.ok_or_else(|| format!("`{shown}` is not an address: write 0x and 40 hexadecimal digits"))?;
    let address = Address::from_str(text).map_err(|error| format!("`{shown}` is not an address: {error}"))?;
    let mixed = digits.bytes().any(|byte| byte.is_ascii_lowercase())
        && digits.bytes().any(|byte| byte.is_ascii_uppercase());
    if mixed && address.to_checksum(None) != text {
        return Err(format!(
            "`{shown}` has a wrong checksum: a character was changed, or write it in lower case"
        ));
    }
    if address.is_zero() {
        return Err("the zero address belongs to nobody".to_owned());
    }
    Ok(address)
}

/// A name that may stand in metrics, logs and policies.
///
/// # Errors
/// What to write instead.
pub fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && text.len() <= NAME_BYTES_MAX && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{}` is not a name: use 1 to {NAME_BYTES_MAX} letters, digits, `.`, `_` and `-`, a letter or digit first",
        printable(text)
    ))
}

/// A host as it is matched: lower case, without a port.
///
/// # Errors
/// What to write instead.
pub fn host(text: &str) -> Result<String, String> {
    let shown = printable(text);
    let lower = text.to_ascii_lowercase();
    if let Some(inner) = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let parsed = inner.parse::<std::net::Ipv6Addr>();
        return parsed
            .map(|_| lower.clone())
            .map_err(|_| format!("`{shown}` is not an IPv6 address in brackets"));
    }
    if lower.contains('*') {
        return Err(format!("`{shown}` has a wildcard: name every host, or leave `hosts` out to serve all"));
    }
    if lower.contains([':', '/']) {
        return Err(format!("`{shown}` is more than a host: write it without scheme, port and path"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let labels = lower.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    if lower.len() <= 253 && labels && lower.bytes().all(plain) {
        return Ok(lower);
    }
    Err(format!("`{shown}` is not a host name: write it as api.example.com"))
}

/// Within bounds, or a sentence that names them.
pub(super) fn within<T: PartialOrd>(
    value: T,
    (least, most): (T, T),
    print: impl Fn(T) -> String,
) -> Result<T, String> {
    if value >= least && value <= most {
        return Ok(value);
    }
    Err(format!("must be from {} to {}", print(least), print(most)))
}

/// As [`size`] prints it.
#[must_use]
pub fn print_size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// The error of a list of words.
pub(super) fn one_of(given: &str, words: &[&str]) -> impl Display + use<> {
    let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("`{}` is none of {}", printable(given), list.join(", "))
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_they_are_printed() {
        for text in ["200ms", "2s", "90s", "5m", "1h", "7d", "0ms"] {
            assert_eq!(print_duration(duration(text).unwrap()), text);
        }
        for text in ["512B", "64KiB", "10MiB", "1GiB", "0B"] {
            assert_eq!(print_size(size(text).unwrap()), text);
        }
        for text in ["", "2", "s", "2 minutes", "-1s", "1.5s", "2S", "367d", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "64", "64KB", "64kib", "-1B", "18446744073709551615GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let points = |text| share(text).map(BasisPoints::get);
        assert_eq!(
            [points("2.5%"), points("0%"), points("100%"), points("0.01%")],
            [Ok(250), Ok(0), Ok(10_000), Ok(1)]
        );
        for text in ["", "%", "2.5", "100.01%", "0.001%", "-1%", "1.%", ".5%", "1e1%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn gas_is_priced_in_gwei_and_exact() {
        let prices =
            ["2gwei", "0.05gwei", "1.000000001 gwei", "999999999gwei"].map(|text| gwei(text).unwrap());
        assert_eq!(prices, [2_000_000_000, 50_000_000, 1_000_000_001, 999_999_999_000_000_000]);
        for text in
            ["", "2", "gwei", "0gwei", "0.0gwei", ".5gwei", "1.gwei", "1.0000000001gwei", "-1gwei", "1e3gwei"]
        {
            assert!(gwei(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_goes_over_the_internet_without_tls_is_open() {
        for open in ["http://node.example", "http://8.8.8.8:8545/x", "http://user@node.example"] {
            assert!(is_open(open), "{open}");
        }
        let others = [
            "https://node.example",
            "http://127.0.0.1:8545",
            "http://localhost:8545",
            "http://10.0.0.7/x",
            "http://[::1]:8545",
        ];
        assert!(others.iter().all(|other| !is_open(other)));
    }

    #[test]
    fn addresses_in_mixed_case_must_have_their_checksum() {
        let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert!(address(right).is_ok());
        assert!(address(&right.to_lowercase()).is_ok());
        assert!(address("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed").is_err());
        assert!(address("0x0000000000000000000000000000000000000000").is_err());
        assert!(address("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed").is_err());
    }

    #[test]
    fn times_have_an_offset() {
        assert_eq!(
            time("2028-02-29T23:59:59Z").map(|at| at.to_string()),
            Ok("2028-02-29T23:59:59.000Z".to_owned())
        );
        assert!(time("2028-02-29T23:59:59").is_err());
        assert!(time("2028-02-30T00:00:00Z").is_err());
    }

    #[test]
    fn hosts_are_matched_as_they_stand() {
        assert_eq!(host("API.example.com"), Ok("api.example.com".to_owned()));
        for text in ["", "a:80", "https://a", "*.a", "a..b", "a b", ".a"] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
