//! Reads the settings of the process: listeners, limits, wallet network, control, webhooks, shutdown.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use domain::Secret;

use super::settings::{
    ControlSettings, DataListener, Limits, Listeners, ShutdownSettings, TlsFiles, WalletNetwork,
    WebhookSettings,
};
use super::tree::{Item, Section};
use super::value::{self, within};

/// Longest secret file, in bytes.
const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// In a file's mode: whoever else is on the machine may read it.
const READ_BY_OTHERS: u32 = 0o004;

/// Listeners for clients.
const LISTENERS_MAX: usize = 64;

/// Shortest admin token, in bytes: it guards everybody's money.
const ADMIN_TOKEN_BYTES_MIN: usize = 16;

/// Networks whose assets are real: a wallet that looks like one of them would take payments that mean
/// something there.
const PUBLIC_CHAINS: [u64; 28] = [
    1, 10, 25, 56, 97, 100, 130, 137, 143, 146, 250, 324, 480, 1101, 1328, 1329, 5000, 8453, 10_143, 42_161,
    42_220, 43_113, 43_114, 59_144, 80_002, 84_532, 421_614, 11_155_111,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn listeners(section: Section<'_>) -> Listeners {
    let defaults = Listeners::default();
    let data = section.item("data").map_or(defaults.data, |item| data_listeners(&item));
    let control = section.item("control").and_then(|item| item.parse(socket_address));
    let ops = section.item("ops").and_then(|item| item.parse(socket_address));
    let listeners =
        Listeners { data, control: control.unwrap_or(defaults.control), ops: ops.unwrap_or(defaults.ops) };
    let fixed = |address: &&SocketAddr| address.port() != 0;
    let mut all: Vec<&SocketAddr> = listeners.data.iter().map(|listener| &listener.address).collect();
    all.extend([&listeners.control, &listeners.ops]);
    for (index, address) in all.iter().enumerate().filter(|(_, address)| fixed(address)) {
        if all[..index].contains(address) {
            section
                .report()
                .fail(section.spot(), format!("two listeners share {address}: give each its own"));
        }
    }
    section.finish();
    listeners
}

pub(super) fn limits(from: Section<'_>) -> Limits {
    let or = Limits::default();
    let seconds = Duration::from_secs;
    let limits = Limits {
        workers: count(&from, "workers", 1..=1_024, or.workers),
        connections_max: count(&from, "connections_max", 1..=1_000_000, or.connections_max),
        requests_in_flight_max: count(
            &from,
            "requests_in_flight_max",
            1..=1_000_000,
            or.requests_in_flight_max,
        ),
        header_bytes_max: bytes(&from, "header_bytes_max", 1 << 10..=1 << 20, or.header_bytes_max),
        // A longer one is refused by the protocol whatever stands here.
        payment_header_bytes_max: bytes(
            &from,
            "payment_header_bytes_max",
            1 << 10..=16 << 10,
            or.payment_header_bytes_max,
        ),
        request_bytes_max: from
            .item("request_bytes_max")
            .and_then(|item| size(&item, 0..=1 << 40))
            .unwrap_or(or.request_bytes_max),
        stored_response_bytes_max: bytes(
            &from,
            "stored_response_bytes_max",
            0..=1 << 20,
            or.stored_response_bytes_max,
        ),
        handshake_timeout: time(&from, "handshake_timeout", seconds(300), or.handshake_timeout),
        client_header_timeout: time(&from, "client_header_timeout", DAY, or.client_header_timeout),
        client_read_timeout: time(&from, "client_read_timeout", DAY, or.client_read_timeout),
        client_write_timeout: time(&from, "client_write_timeout", DAY, or.client_write_timeout),
        client_idle_timeout: time(&from, "client_idle_timeout", DAY, or.client_idle_timeout),
        websocket_duration_max: time(&from, "websocket_duration_max", 30 * DAY, or.websocket_duration_max),
        websocket_idle_timeout: time(&from, "websocket_idle_timeout", DAY, or.websocket_idle_timeout),
        upstream_connections_kept_max: count(
            &from,
            "upstream_connections_kept_max",
            1..=100_000,
            or.upstream_connections_kept_max,
        ),
        holds_max: count(&from, "holds_max", 16..=1_000_000, or.holds_max),
        batch_max: count(&from, "batch_max", 1..=256, or.batch_max),
        clock_skew_max: time(&from, "clock_skew_max", seconds(3_600), or.clock_skew_max),
        commit_age_max: time(&from, "commit_age_max", seconds(300), or.commit_age_max),
        accounts_max: count(&from, "accounts_max", 16..=10_000_000, or.accounts_max),
        directory_entries_max: count(
            &from,
            "directory_entries_max",
            16..=10_000_000,
            or.directory_entries_max,
        ),
        clients_per_address: NonZeroU32::new(some(&from, "clients_per_address", 1))
            .unwrap_or(or.clients_per_address),
        agents_per_owner_max: some(&from, "agents_per_owner_max", or.agents_per_owner_max),
        wallets_per_owner_max: some(&from, "wallets_per_owner_max", or.wallets_per_owner_max),
        routes_per_provider_max: some(&from, "routes_per_provider_max", or.routes_per_provider_max),
    };
    if limits.payment_header_bytes_max > limits.header_bytes_max {
        from.report().fail(
            from.spot(),
            "payment_header_bytes_max is above header_bytes_max: no such header could arrive, lower the first or raise \
             the second",
        );
    }
    from.finish();
    limits
}

pub(super) fn shutdown(section: Section<'_>) -> ShutdownSettings {
    let defaults = ShutdownSettings::default();
    let bounded = |key| section.item(key).and_then(|item| duration(&item, Duration::ZERO, DAY));
    let pause = bounded("pause").unwrap_or(defaults.pause);
    let grace = bounded("grace").unwrap_or(defaults.grace);
    let stream_grace = bounded("stream_grace").unwrap_or(defaults.stream_grace.min(grace));
    if stream_grace > grace {
        section
            .report()
            .fail(section.spot(), "stream_grace is longer than grace: shorten it, or lengthen grace");
    }
    section.finish();
    ShutdownSettings { pause, grace, stream_grace }
}

pub(super) fn network(section: Section<'_>) -> WalletNetwork {
    let defaults = WalletNetwork::default();
    // EIP-2294 keeps chain ids below this, so that wallets can compute with them.
    let chain_id = section.item("chain_id").and_then(|item| {
        let chain_id = item.integer(1..=4_503_599_627_370_476)?;
        if PUBLIC_CHAINS.contains(&chain_id) {
            item.fail(format!(
                "{chain_id} is a public network, whose signatures could be used there: take a number of your own, such as {}",
                WalletNetwork::default().chain_id
            ));
            return None;
        }
        Some(chain_id)
    });
    let word = |key| section.item(key).and_then(|item| item.parse(|text| words(text, 64)));
    let network = WalletNetwork {
        chain_id: chain_id.unwrap_or(defaults.chain_id),
        name: word("name").unwrap_or(defaults.name),
        version: word("version").unwrap_or(defaults.version),
    };
    section.finish();
    network
}

pub(super) fn control(section: Section<'_>) -> ControlSettings {
    let given = section.item("admin_token");
    let in_file = section.item("admin_token_file");
    if let (Some(given), Some(_)) = (&given, &in_file) {
        given.fail("stands beside admin_token_file: keep one of them");
    }
    let item = given.as_ref().or(in_file.as_ref());
    let token = match (&given, &in_file) {
        (Some(item), _) => item.text().map(|text| Secret::new(text.into_owned())),
        (None, Some(item)) => secret_file(item),
        (None, None) => None,
    };
    if let (Some(item), Some(token)) = (item, &token) {
        let visible = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if token.expose().len() < ADMIN_TOKEN_BYTES_MIN || !visible {
            let file = in_file.as_ref().and_then(Item::text);
            let what = file.map_or_else(|| "must be".to_owned(), |file| format!("{file} must hold"));
            item.fail(format!(
                "{what} at least {ADMIN_TOKEN_BYTES_MIN} visible ASCII characters without spaces: make one with \
                 `openssl rand -hex 32`"
            ));
        }
    }
    let private_upstreams =
        section.item("private_upstreams").and_then(|item| item.boolean()).unwrap_or(false);
    section.finish();
    ControlSettings { admin_token: token, private_upstreams }
}

pub(super) fn webhooks(section: Section<'_>) -> WebhookSettings {
    let flag = |key| section.item(key).and_then(|item| item.boolean()).unwrap_or(false);
    let settings = WebhookSettings { allow_private: flag("allow_private"), allow_http: flag("allow_http") };
    section.finish();
    settings
}

pub(super) fn public_url(section: &Section<'_>) -> Option<String> {
    section.item("public_url")?.parse(|text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.filter(|rest| !rest.is_empty() && !rest.contains(['?', '#', '@', ' ', '\\']));
        let plain = rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic()));
        if plain && !text.ends_with('/') {
            return Ok(text.to_owned());
        }
        Err("must be what clients call the gateway by, without a slash at its end, such as \"https://api.example.com\"")
    })
}

/// The secret in a file, without the line break at its end.
pub(super) fn secret_file(item: &Item<'_>) -> Option<Secret> {
    warn_of_readers(item);
    item.parse(|path| {
        let unreadable = |reason: String| format!("cannot read the secret in {path}: {reason}");
        let length = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if length > SECRET_BYTES_MAX {
            return Err(unreadable(format!("it is longer than {SECRET_BYTES_MAX} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            Err(unreadable("it is empty".to_owned()))
        } else {
            Ok(Secret::new(secret.to_owned()))
        }
    })
}

/// Says so where a file that keeps a secret is open to everybody.
fn warn_of_readers(item: &Item<'_>) {
    let Some(path) = item.text() else { return };
    if fs::metadata(&*path).is_ok_and(|about| about.permissions().mode() & READ_BY_OTHERS != 0) {
        item.warn(format!("every user of this machine can read {path}: chmod o= {path}, where Faregate's own user can read it still"));
    }
}

/// A file that must be there.
pub(super) fn file(item: &Item<'_>) -> Option<PathBuf> {
    item.parse(|path| match fs::File::open(path) {
        Ok(_) => Ok(PathBuf::from(path)),
        Err(error) => Err(format!("cannot read {path}: {error}")),
    })
}

/// A duration within bounds.
pub(super) fn duration(item: &Item<'_>, least: Duration, most: Duration) -> Option<Duration> {
    item.parse_in("s", |text| within(value::duration(text)?, (least, most), value::print_duration))
}

/// A number of bytes within bounds.
pub(super) fn size(item: &Item<'_>, range: RangeInclusive<u64>) -> Option<u64> {
    item.parse_in("B", |text| within(value::size(text)?, (*range.start(), *range.end()), value::print_size))
}

/// Some text on one line.
pub(super) fn words(text: &str, bytes_max: usize) -> Result<String, String> {
    if text.len() <= bytes_max && !text.trim().is_empty() && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("must be 1 to {bytes_max} bytes of text on one line"))
}

fn data_listeners(item: &Item<'_>) -> Vec<DataListener> {
    if item.is_text() {
        return item.parse(socket_address).map(DataListener::plain).into_iter().collect();
    }
    let told = "names no listener: write data = \"0.0.0.0:8402\", or [[listen.data]] with an address";
    let listed = item.filled_list(LISTENERS_MAX, told).unwrap_or_default();
    listed.iter().filter_map(|item| data_listener(item.section()?)).collect()
}

fn data_listener(section: Section<'_>) -> Option<DataListener> {
    let hint = "write where to listen, such as address = \"0.0.0.0:8402\"";
    let address = section.require("address", hint).and_then(|item| item.parse(socket_address));
    let http2 = section.item("http2").and_then(|item| item.boolean()).unwrap_or(true);
    let tls = section.item("tls").and_then(|item| item.section()).and_then(tls_files);
    section.finish();
    Some(DataListener { address: address?, tls, http2 })
}

fn tls_files(section: Section<'_>) -> Option<TlsFiles> {
    let hint = "name the PEM file with the certificate and those that signed it";
    let certificate = section.require("certificate", hint).and_then(|item| file(&item));
    let key = section.require("key", "name the PEM file with the private key").and_then(|item| {
        warn_of_readers(&item);
        file(&item)
    });
    section.finish();
    Some(TlsFiles { certificate: certificate?, key: key? })
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let shown = super::key_path::printable(text);
    text.parse().map_err(|_| {
        format!("`{shown}` is not an address with a port: write 127.0.0.1:8402, 0.0.0.0:8402 or [::]:8402")
    })
}

fn count(section: &Section<'_>, key: &'static str, range: RangeInclusive<u64>, default: usize) -> usize {
    let number = section.item(key).and_then(|item| item.integer(range));
    number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
}

/// At least one, and no more than a million.
fn some(section: &Section<'_>, key: &'static str, default: u32) -> u32 {
    let number = section.item(key).and_then(|item| item.integer(1..=1_000_000));
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}

fn bytes(section: &Section<'_>, key: &'static str, range: RangeInclusive<u64>, default: usize) -> usize {
    let number = section.item(key).and_then(|item| size(&item, range));
    number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
}

fn time(section: &Section<'_>, key: &'static str, most: Duration, default: Duration) -> Duration {
    let least = Duration::from_millis(1);
    section.item(key).and_then(|item| duration(&item, least, most)).unwrap_or(default)
}
