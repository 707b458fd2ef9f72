//! Reads `[[providers.routes]]`: what is sold, and for how much.

use domain::catalog::{Capture, ChargeOn, Retry};
use domain::pattern::{PathPattern, Segment};
use domain::price::{Tier, Tiers};
use domain::router::Methods;
use domain::{Amount, Price, ProviderId, Route};

use super::key_path::{did_you_mean, printable};
use super::metered;
use super::payee;
use super::rate;
use super::section::{size, words};
use super::tree::{Item, Section, Spot};
use super::value::{self, one_of};

/// Calls of one agent that a route may give away every day.
const FREE_PER_DAY_MAX: u64 = 1_000_000;

/// Tiers of one route.
const TIERS_MAX: usize = 64;

/// Methods of one route.
const METHODS_MAX: usize = 16;

/// Those of IANA's registry that a route may name. Another one is a slip of the pen, or answered where a route names none.
#[rustfmt::skip]
const METHODS: [&str; 36] = [
    "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "DELETE", "GET", "LABEL", "LINK", "LOCK", "MERGE",
    "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "OPTIONS", "ORDERPATCH", "PATCH", "POST",
    "PROPFIND", "PROPPATCH", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK",
    "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
];

/// Most statuses that a route lists.
const STATUSES_MAX: usize = 400;

/// A stream that delivered this much before it broke was a delivery, where the route says nothing.
const STREAM_BYTES_MIN: u64 = 64 * 1024;

/// Where the gateway answers payers itself.
const RESERVED: &str = "/.well-known/faregate";

/// Which methods a route may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judge {
    /// Somebody writes it now: registered ones.
    New,
    /// It is sold already: whatever was ever taken, or a newer version of this program would take a route away.
    Stored,
}

/// A route and where it stands.
pub(super) struct Read {
    pub(super) route: Route,
    pub(super) spot: Spot,
}

/// Reads all keys of a route. The section is not finished.
pub(super) fn read(
    section: &Section<'_>,
    provider: ProviderId,
    request_bytes_max: u64,
    judge: Judge,
) -> Option<Read> {
    let name = section
        .require("name", "give the route a name for metrics and policies")
        .and_then(|item| item.parse(value::name));
    let methods = section.item("methods").and_then(|item| methods(&item, judge));
    let path_item =
        section.require("path", "write which paths it answers, such as path = \"/v1/quotes/{symbol}\"");
    let pattern = path_item.as_ref().and_then(|item| item.parse(|text| pattern(text, judge)));
    let category = section.item("category").and_then(|item| item.parse(value::name));
    let price = price(section);
    let free_per_day = free_per_day(section, price.as_ref());
    let text = |key, bytes_max| {
        let item: Option<Item<'_>> = section.item(key);
        item.and_then(|item| {
            item.parse(|text| if text.is_empty() { Ok(String::new()) } else { words(text, bytes_max) })
        })
    };
    let description = text("description", 1_024).unwrap_or_default();
    let mime_type = text("mime_type", 128).unwrap_or_default();
    let retry = section.item("retry").and_then(|item| item.parse(retry)).unwrap_or_default();
    let charge_on = section.item("charge_on").map(|item| charge_on(&item)).unwrap_or_default();
    let capture = capture(section, price.as_ref());
    let (settle, offer_order) = payee::of_route(section, price.as_ref());
    let flag = |key| section.item(key).and_then(|item| item.boolean()).unwrap_or(false);
    let (redeliver, cacheable) = (flag("redeliver"), flag("cacheable"));
    let escaped_item = section.item("escaped_slash");
    let escaped_slash = escaped_item.as_ref().and_then(Item::boolean).unwrap_or(false);
    let bytes = |key| section.item(key).and_then(|item| size(&item, 0..=1 << 40));
    let request_bytes_max = bytes("request_bytes_max").unwrap_or(request_bytes_max);
    let stream_bytes_min = bytes("stream_bytes_min").unwrap_or(STREAM_BYTES_MIN);
    let rate_limit = rate::read(section);
    if let (true, Some(pattern), Some(item)) = (escaped_slash, &pattern, &escaped_item) {
        let last = pattern.segments().last();
        if !matches!(last, Some(Segment::Parameter(_) | Segment::Rest(_))) {
            item.fail("allows %2F in the last parameter, but the path does not end in one: leave it out");
        }
    }
    let spot = path_item.map_or_else(|| section.spot().clone(), |item| item.spot());
    let route = Route {
        name: name?.into(),
        provider,
        methods: methods.unwrap_or(Methods::Any),
        pattern: pattern?,
        category: category.map(Into::into),
        price: price?,
        free_per_day,
        revision: 0,
        since: 0,
        superseded: Vec::new(),
        description,
        mime_type,
        retry,
        charge_on,
        capture,
        settle,
        offer_order,
        redeliver,
        escaped_slash,
        cacheable,
        request_bytes_max,
        stream_bytes_min,
        rate_limit,
    };
    Some(Read { route, spot })
}

fn free_per_day(section: &Section<'_>, price: Option<&Price>) -> u32 {
    let Some(item) = section.item("free_per_day") else { return 0 };
    if price == Some(&Price::Free) {
        item.fail("gives calls away, but all calls of this route are free: leave it out");
    }
    let calls = item.integer(1..=FREE_PER_DAY_MAX);
    calls.and_then(|calls| u32::try_from(calls).ok()).unwrap_or(0)
}

fn price(section: &Section<'_>) -> Option<Price> {
    let fixed = section.item("price");
    let tiers = section.item("tiers");
    let metered = section.item("metered");
    match (fixed, tiers, metered) {
        (Some(item), Some(_), _) => {
            item.fail("stands beside tiers: keep one of them");
            None
        }
        (Some(item), _, Some(_)) | (_, Some(item), Some(_)) => {
            item.fail("stands beside metered: keep one of them");
            None
        }
        (Some(price), None, None) => price.parse(|text| match text {
            "free" => Ok(Price::Free),
            _ => match Amount::parse_dollars(text) {
                Ok(amount) if amount.is_zero() => Err("is nothing: write price = \"free\"".to_owned()),
                Ok(amount) => Ok(Price::Fixed(amount)),
                Err(error) => Err(format!("{error}, or \"free\"")),
            },
        }),
        (None, Some(tiers), None) => read_tiers(&tiers),
        (None, None, Some(item)) => metered::read(&item),
        (None, None, None) => {
            let hint = "is missing: write price = \"$0.0025\", price = \"free\", [[providers.routes.tiers]], or \
                        metered = { up_to = \"$0.10\", ... }";
            let spot = Spot::within(section.spot(), "price");
            section.report().fail(&spot, hint);
            None
        }
    }
}

fn read_tiers(item: &Item<'_>) -> Option<Price> {
    let listed = item.list();
    if listed.len() > TIERS_MAX {
        item.fail(format!("has more than {TIERS_MAX} tiers"));
        return None;
    }
    let tiers: Vec<Tier> = listed.iter().filter_map(|tier| read_tier(tier.section()?)).collect();
    if tiers.len() != listed.len() {
        return None;
    }
    match Tiers::new(tiers) {
        Ok(tiers) => Some(Price::Tiered(tiers)),
        Err(error) => {
            item.fail(error);
            None
        }
    }
}

fn read_tier(section: Section<'_>) -> Option<Tier> {
    let from = section.require("from", "write the first call of the month at this price, counted from 1");
    let from_call = from.and_then(|item| item.integer(1..=i64::MAX as u64));
    let price = section.require("price", "write what each call costs from there on, such as \"$0.001\"");
    let amount = price.and_then(|item| item.parse(Amount::parse_dollars));
    section.finish();
    Some(Tier { from_call: from_call?, amount: amount? })
}

fn methods(item: &Item<'_>, judge: Judge) -> Option<Methods> {
    let told = format!("must list 1 to {METHODS_MAX} methods, such as [\"GET\"]; leave it out to answer all");
    let listed = item.filled_list(METHODS_MAX, told)?;
    let mut methods: Vec<String> = Vec::new();
    for item in &listed {
        let Some(name) = item.parse(|text| method(text, judge)) else { continue };
        if methods.contains(&name) {
            item.fail(format!("names {name} twice"));
        }
        methods.push(name);
    }
    Some(Methods::Only(methods))
}

fn method(text: &str, judge: Judge) -> Result<String, String> {
    let capitals = text.to_ascii_uppercase();
    match capitals.as_str() {
        "HEAD" => Err("HEAD is answered wherever GET is: write GET".to_owned()),
        "CONNECT" | "TRACE" => Err(format!("{capitals} is never forwarded: take it out")),
        known if METHODS.contains(&known) => {
            if known == text {
                Ok(capitals)
            } else {
                Err(format!("methods have a case: write {capitals}"))
            }
        }
        _ if judge == Judge::Stored && is_token(text) => Ok(text.to_owned()),
        _ => {
            let near = did_you_mean(&capitals, METHODS);
            let near = if near.is_empty() { "; a route that lists none answers all" } else { &near };
            Err(format!("`{}` is no registered method of HTTP{near}", printable(text)))
        }
    }
}

/// A token of RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    let is_sign = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
}

fn pattern(text: &str, judge: Judge) -> Result<PathPattern, String> {
    let below = text.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    if below && text.as_bytes().get(RESERVED.len()).is_none_or(|byte| *byte == b'/') {
        return Err(format!("{RESERVED}/ is answered by the gateway itself: choose another path"));
    }
    let pattern = PathPattern::parse(text).map_err(|error| error.to_string())?;
    match pattern.foreign() {
        Some(segment) if judge == Judge::New => Err(format!(
            "`{segment}` would be matched as it stands: write a parameter as {{name}}, and the rest of a path as {{*name}}"
        )),
        _ => Ok(pattern),
    }
}

fn retry(text: &str) -> Result<Retry, String> {
    match text {
        "never" => Ok(Retry::Never),
        "safe" => Ok(Retry::Safe),
        _ => Err(one_of(text, &["never", "safe"]).to_string()),
    }
}

fn capture(section: &Section<'_>, price: Option<&Price>) -> Capture {
    let Some(item) = section.item("capture") else { return Capture::default() };
    if price == Some(&Price::Free) {
        item.fail("says when a call is charged, but this route is free: leave it out");
    }
    let word = |text: &str| match text {
        "after" => Ok(Capture::After),
        "before" => Ok(Capture::Before),
        _ => Err(one_of(text, &["after", "before"]).to_string()),
    };
    item.parse(word).unwrap_or_default()
}

fn charge_on(item: &Item<'_>) -> ChargeOn {
    let told = "must list the statuses that are charged, such as [200, 201], and 206 with 200; leave it out for 2xx, 101 and 304";
    let listed = item.filled_list(STATUSES_MAX, told).unwrap_or_default();
    let mut statuses = Vec::new();
    for item in &listed {
        let Some(status) = item.integer(101..=599).and_then(|status| u16::try_from(status).ok()) else {
            continue;
        };
        if (102..200).contains(&status) {
            item.fail("is never the last answer: of 1xx only 101 can be charged");
        }
        statuses.push(status);
    }
    ChargeOn { statuses: Some(statuses) }
}
