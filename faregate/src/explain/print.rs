//! An explanation as text and as JSON.

use domain::router::Methods;
use domain::{Amount, Capture, Metered, Price, RateLimit, ScopedLimit, SpendingPolicy};
use serde_json::{Value, json};

use super::offers::Offered;
use super::{Explanation, Found, Payer};

/// Lines of a name and a value.
pub(super) fn text(explanation: &Explanation) -> String {
    let mut lines = vec![
        line("method", &explanation.method),
        line("host", if explanation.host.is_empty() { "(any)" } else { &explanation.host }),
    ];
    match &explanation.outcome {
        Err(refused) => {
            lines.push(line("path", &explanation.path));
            lines.push(line("answer", &format!("{} {}", refused.status, refused.code)));
            lines.push(line("because", &refused.reason));
        }
        Ok(found) => lines.extend(found_lines(found)),
    }
    let unseen = |why: &String| line("not seen", &format!("routes of the management API, because {why}"));
    lines.extend(explanation.unseen.as_ref().map(unseen));
    lines.join("\n")
}

/// One object.
pub(super) fn object(explanation: &Explanation) -> Value {
    let Explanation { method, host, path, outcome, unseen } = explanation;
    let mut object = json!({
        "method": method, "host": host, "path": path, "found": outcome.is_ok(), "not_seen": unseen,
    });
    match outcome {
        Err(refused) => {
            object["status"] = json!(refused.status);
            object["code"] = json!(refused.code);
            object["message"] = json!(refused.reason);
        }
        Ok(found) => {
            object["canonical_path"] = json!(found.path.as_str());
            object["route"] = json!(found.route.name);
            object["pattern"] = json!(found.route.pattern.as_str());
            object["methods"] = json!(methods(&found.route.methods));
            object["provider"] = json!(found.provider.name);
            object["upstream"] = json!(upstreams(found));
            object["price"] = price(&found.route.price);
            object["capture"] = found.route.is_priced().then(|| capture(found.route.capture)).into();
            object["custody"] = found.custody().into();
            object["settle"] = found.is_on_chain().then(|| found.route.settle.name()).into();
            object["offers"] = found.offers.iter().map(offer).collect();
            object["rate_limits"] = rates(found).map(|(whose, limit)| rate(whose, limit)).collect();
            object["agent"] = found.payer.as_ref().map_or(Value::Null, payer);
        }
    }
    object
}

fn found_lines(found: &Found) -> Vec<String> {
    let pattern = format!("{} ({} {})", found.route.name, methods(&found.route.methods), found.route.pattern);
    let mut lines = vec![
        line("path", found.path.as_str()),
        line("route", &pattern),
        line("provider", &found.provider.name),
        line("upstream", &upstreams(found).join(", ")),
    ];
    match &found.route.price {
        Price::Free => lines.push(line("price", "free")),
        Price::Fixed(amount) => lines.push(line("price", &amount.to_string())),
        Price::Tiered(tiers) => {
            for tier in tiers.as_slice() {
                let from = format!("{} from call {} of the month on", tier.amount, tier.from_call);
                lines.push(line("price", &from));
            }
        }
        Price::Metered(metered) => lines.extend(metered_lines(metered)),
    }
    if found.route.capture == Capture::Before {
        lines.push(line(
            "capture",
            "before it is forwarded: charged though the client leaves or the gateway crashes",
        ));
    }
    lines.extend(offer_lines(found));
    for (whose, limit) in rates(found) {
        lines.push(line("rate limit", &rate_words(whose, limit)));
    }
    if let Some(payer) = &found.payer {
        lines.push(line("agent", &payer.name));
        lines.extend(policy_lines(&payer.policy));
        lines.push(line("verdict", &verdict(payer)));
    }
    lines
}

fn offer_lines(found: &Found) -> Vec<String> {
    let said = |offered: &Offered| {
        let Offered { network, token, by, pay_to } = offered;
        let place = match (network, token) {
            (Some(network), Some((Some(name), address))) => format!("{name} ({address}) on {network}, {by}"),
            (Some(network), Some((None, address))) => format!("{address} on {network}, {by}"),
            _ => "from a wallet here".to_owned(),
        };
        line("offer", &format!("{place}, to {pay_to}"))
    };
    let mut lines: Vec<String> = found.offers.iter().map(said).collect();
    if let Some(custody) = found.custody().filter(|_| found.is_on_chain()) {
        lines.push(line("custody", custody));
        lines.push(line("settle", found.route.settle.name()));
    }
    lines
}

fn offer(offered: &Offered) -> Value {
    let Offered { network, token, by, pay_to } = offered;
    let (name, address) = token.clone().unzip();
    json!({ "network": network, "token": address, "token_name": name, "by": by, "pay_to": pay_to })
}

fn metered_lines(metered: &Metered) -> Vec<String> {
    let mut lines = vec![line("price", &format!("what the call used, at most {}", metered.maximum()))];
    let units = metered.units().iter();
    lines.extend(units.map(|unit| line("counted", &format!("{} at {} each", unit.from, unit.price))));
    lines.push(line("not counted", &format!("{} where nothing can be read", metered.unread())));
    lines
}

/// The limits that each consumer's calls are counted against, and where they were set.
fn rates(found: &Found) -> impl Iterator<Item = (&'static str, RateLimit)> {
    let limits = [("route", found.route.rate_limit), ("provider", found.provider.rate_limit)];
    limits.into_iter().filter_map(|(whose, limit)| limit.map(|limit| (whose, limit)))
}

fn rate_words(whose: &str, limit: RateLimit) -> String {
    let place = if whose == "route" { "here" } else { "at all routes of the provider" };
    let (calls, seconds, burst) = (limit.calls(), limit.per().as_secs(), limit.burst());
    format!("{calls} calls of one consumer in {seconds}s {place}, {burst} of them at once")
}

fn rate(whose: &str, limit: RateLimit) -> Value {
    json!({ "of": whose, "calls": limit.calls(), "seconds": limit.per().as_secs(), "burst": limit.burst() })
}

fn policy_lines(policy: &SpendingPolicy) -> Vec<String> {
    let amounts = [
        ("per request", policy.per_request),
        ("per hour", policy.per_hour),
        ("per day", policy.per_day),
        ("per month", policy.per_month),
    ];
    let mut lines: Vec<String> = amounts
        .into_iter()
        .filter_map(|(name, limit)| limit.map(|limit| line(name, &limit.to_string())))
        .collect();
    let limit =
        |limit: &ScopedLimit| format!("{} per {} on {}", limit.limit, limit.window.name(), limit.scope);
    lines.extend(policy.limits.as_slice().iter().map(|listed| line("limit", &limit(listed))));
    for (name, list) in [("routes", &policy.routes), ("providers", &policy.providers)] {
        lines.extend(list.as_ref().map(|list| line(name, &list.join(", "))));
    }
    lines.extend(policy.expires_at.map(|end| line("expires", &end.to_string())));
    lines
}

/// What was spent so far only the ledger knows.
fn verdict(payer: &Payer) -> String {
    match &payer.violation {
        _ if payer.frozen => "refused: the agent is frozen".to_owned(),
        Some(violation) => format!("refused: {violation}"),
        None if payer.policy.has_windows() => "allowed, while its limits last".to_owned(),
        None => "allowed".to_owned(),
    }
}

fn payer(payer: &Payer) -> Value {
    let policy = &payer.policy;
    json!({
        "name": payer.name,
        "frozen": payer.frozen,
        "policy": {
            "per_request": policy.per_request.map(money),
            "per_hour": policy.per_hour.map(money),
            "per_day": policy.per_day.map(money),
            "per_month": policy.per_month.map(money),
            "limits": policy.limits.as_slice().iter().map(limit).collect::<Vec<_>>(),
            "routes": policy.routes,
            "providers": policy.providers,
            "expires_at": policy.expires_at.map(|end| end.to_string()),
        },
        "allowed": !payer.frozen && payer.violation.is_none(),
        "verdict": verdict(payer),
    })
}

fn limit(limit: &ScopedLimit) -> Value {
    json!({ "scope": limit.scope.to_string(), "per": limit.window.name(), "amount": money(limit.limit) })
}

fn price(price: &Price) -> Value {
    match price {
        Price::Free => json!({ "kind": "free" }),
        Price::Fixed(amount) => json!({ "kind": "fixed", "price": money(*amount) }),
        Price::Tiered(tiers) => {
            let tier = |tier: &domain::price::Tier| json!({ "from_call": tier.from_call, "price": money(tier.amount) });
            json!({ "kind": "tiered", "tiers": tiers.as_slice().iter().map(tier).collect::<Vec<_>>() })
        }
        Price::Metered(metered) => {
            let unit = |unit: &domain::meter::Unit| json!({ "from": unit.from.to_string(), "price": unit.price.to_string() });
            json!({
                "kind": "metered",
                "up_to": money(metered.maximum()),
                "unread": money(metered.unread()),
                "units": metered.units().iter().map(unit).collect::<Vec<_>>(),
            })
        }
    }
}

fn capture(capture: Capture) -> &'static str {
    match capture {
        Capture::After => "after",
        Capture::Before => "before",
    }
}

fn money(amount: Amount) -> Value {
    json!({ "amount": amount.atomic().to_string(), "display": amount.to_string() })
}

fn methods(methods: &Methods) -> String {
    match methods {
        Methods::Any => "any method".to_owned(),
        Methods::Only(list) => list.join(", "),
    }
}

fn upstreams(found: &Found) -> Vec<String> {
    let upstream = &found.provider.upstream;
    let scheme = if upstream.tls.is_some() { "https" } else { "http" };
    let url = |address: &domain::catalog::UpstreamAddress| {
        format!("{scheme}://{}:{}{}", address.host, address.port, upstream.base_path)
    };
    upstream.addresses.iter().map(url).collect()
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<12} {value}")
}
