//! Reads `[providers.upstream]`: where an API is, and how it is spoken to.

use std::time::Duration;

use domain::CanonicalPath;
use domain::catalog::{HealthCheck, Upstream, UpstreamAddress, UpstreamTimeouts, UpstreamTls};

use super::header;
use super::key_path::printable;
use super::section::{duration, file};
use super::tree::{Item, Section};
use super::value;

/// Addresses of one upstream.
const ADDRESSES_MAX: usize = 64;

/// A scheme, a host and a port.
struct Origin {
    tls: bool,
    address: UpstreamAddress,
}

pub(super) fn read(section: Section<'_>) -> Option<Upstream> {
    let hint = "list where the API is, such as addresses = [\"https://api.internal.example\"]";
    let addresses = section.require("addresses", hint);
    let origins = addresses.as_ref().and_then(origins);
    let tls = tls(&section, addresses.as_ref(), origins.as_deref());
    let base_path = section.item("base_path").and_then(|item| item.parse(base_path));
    let host = section.item("host").and_then(|item| item.parse(authority));
    let headers = header::read(&section);
    let timeouts = timeouts(&section);
    let health = section.item("health").and_then(|item| item.section()).map(health);
    let http2 = section.item("http2").and_then(|item| item.boolean()).unwrap_or(false);
    section.finish();
    Some(Upstream {
        addresses: origins?.into_iter().map(|origin| origin.address).collect(),
        tls,
        base_path: base_path.unwrap_or_default(),
        host,
        headers,
        timeouts,
        health,
        http2,
        public_only: false,
    })
}

fn origins(item: &Item<'_>) -> Option<Vec<Origin>> {
    let told =
        format!("must list 1 to {ADDRESSES_MAX} addresses, such as [\"https://api.internal.example\"]");
    let items = item.filled_list(ADDRESSES_MAX, told)?;
    let count = items.len();
    let origins: Vec<Origin> = items.iter().filter_map(|item| item.parse(origin)).collect();
    for (index, origin) in origins.iter().enumerate() {
        if origins[..index].iter().any(|other| other.address == origin.address) {
            item.fail(format!("names {}:{} twice", origin.address.host, origin.address.port));
        }
        if origin.tls != origins[0].tls {
            item.fail("mixes http and https: all addresses of one upstream speak the same");
            break;
        }
    }
    (origins.len() == count).then_some(origins)
}

fn origin(text: &str) -> Result<Origin, String> {
    let malformed =
        || "must be a URL without a path, such as \"https://api.internal.example:8443\"".to_owned();
    let (tls, rest) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(malformed()),
    };
    // Not repeated in the message: what stands before the sign is a password.
    if rest.contains('@') {
        return Err(
            "holds a user or a password: send them as a header instead, see `headers_file`".to_owned()
        );
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err("holds a path: write the path as `base_path`".to_owned());
    }
    let bracketed = rest.rfind(']').map_or(0, |end| end + 1);
    let port_sign = rest.get(bracketed..).and_then(|tail| tail.rfind(':')).map(|at| at + bracketed);
    let (host, port) = match port_sign {
        Some(at) => {
            (&rest[..at], rest[at + 1..].parse().ok().filter(|port| *port != 0).ok_or_else(malformed)?)
        }
        None => (rest, if tls { 443 } else { 80 }),
    };
    let host = value::host(host)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Origin { tls, address: UpstreamAddress { host, port } })
}

fn tls(
    section: &Section<'_>,
    addresses: Option<&Item<'_>>,
    origins: Option<&[Origin]>,
) -> Option<UpstreamTls> {
    let name_item = section.item("server_name");
    let server_name = name_item.as_ref().and_then(|item| item.parse(value::host));
    let ca_item = section.item("ca_file");
    let ca_file = ca_item.as_ref().and_then(file);
    let origins = origins?;
    let first = origins.first()?;
    if !first.tls {
        for item in [name_item, ca_item].into_iter().flatten() {
            item.fail("is for https, but the addresses say http");
        }
        return None;
    }
    let several = origins.iter().any(|origin| origin.address.host != first.address.host);
    if several && server_name.is_none() {
        addresses?.fail("have several names: say with `server_name` which one their certificates carry");
        return None;
    }
    Some(UpstreamTls { server_name: server_name.unwrap_or_else(|| first.address.host.clone()), ca_file })
}

fn base_path(text: &str) -> Result<String, String> {
    let malformed = |reason: &str| format!("`{}` is not a base path: {reason}", printable(text));
    if text.is_empty() || text == "/" {
        return Ok(String::new());
    }
    if text.ends_with('/') {
        return Err(malformed("leave out the slash at its end"));
    }
    let path = CanonicalPath::parse(text.as_bytes()).map_err(|error| malformed(&error.to_string()))?;
    if path.as_str() == text {
        Ok(text.to_owned())
    } else {
        Err(malformed(&format!("write it as `{}`", path.as_str())))
    }
}

/// A host, and a port where it is not the usual one.
fn authority(text: &str) -> Result<String, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    if !port_is_good {
        return Err(format!(
            "`{}` is not a host: write it as api.example.com or api.example.com:8443",
            printable(text)
        ));
    }
    value::host(host)?;
    Ok(text.to_ascii_lowercase())
}

fn timeouts(section: &Section<'_>) -> UpstreamTimeouts {
    let least = Duration::from_millis(1);
    let bounded = |key, default: u64, most: u64| {
        let item = section.item(key);
        let given = item.and_then(|item| duration(&item, least, Duration::from_secs(most)));
        given.unwrap_or(Duration::from_secs(default))
    };
    UpstreamTimeouts {
        connect: bounded("connect_timeout", 2, 60),
        read: bounded("read_timeout", 60, 24 * 60 * 60),
        write: bounded("write_timeout", 60, 24 * 60 * 60),
        idle: bounded("idle_timeout", 30, 60 * 60),
    }
}

fn health(section: Section<'_>) -> HealthCheck {
    let path = section.item("path").and_then(|item| {
        item.parse(|text| {
            let path = text.split('?').next().unwrap_or(text);
            let canonical = CanonicalPath::parse(path.as_bytes()).is_ok_and(|parsed| parsed.as_str() == path);
            let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            if canonical && plain { Ok(text.to_owned()) } else { Err("must be a path such as \"/healthz\"") }
        })
    });
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(3_600));
    let interval = section.item("interval").and_then(|item| duration(&item, least, most));
    section.finish();
    HealthCheck { path, interval: interval.unwrap_or(Duration::from_secs(5)) }
}
