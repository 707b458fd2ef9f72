//! What the demo prints: commands to paste, or one object for scripts.

use domain::Amount;
use serde_json::{Value, json};

use super::Demo;
use super::agent::FUNDS;
use super::file::{DemoRoute, ROUTES};

/// Everything a script needs to pay.
pub(super) fn object(demo: &Demo) -> Value {
    let Demo { addresses, upstream, admin_token, agent, network } = demo;
    let route = |route: &DemoRoute| {
        json!({
            "name": route.name,
            "method": route.method,
            "url": url(demo, route),
            "price": route.price.unwrap_or("free"),
            "price_units": units(route),
        })
    };
    json!({
        "gateway": format!("http://{}", addresses.data),
        "control": format!("http://{}", addresses.control),
        "ops": format!("http://{}", addresses.ops),
        "upstream": format!("http://{upstream}"),
        "routes": ROUTES.iter().map(route).collect::<Vec<_>>(),
        "agent": {
            "id": agent.id,
            "wallet": agent.wallet,
            "address": agent.address,
            "private_key": agent.private_key,
            "key": agent.key,
        },
        "network": agent.network(),
        "asset": agent.token(),
        "name": network.name,
        "version": network.version,
        "admin_token": admin_token,
    })
}

/// Everything a person needs to try it.
pub(super) fn text(demo: &Demo) -> anyhow::Result<String> {
    let Demo { addresses, upstream, agent, admin_token, .. } = demo;
    let [quote, forecast, ticks, echo, _] = &ROUTES;
    let faregate = std::env::current_exe()?.display().to_string();
    let pay = format!("FAREGATE_PRIVATE_KEY={} {faregate} pay", agent.private_key);
    let with_key = format!("curl -si -H 'Authorization: Bearer {}'", agent.key);
    let balance = format!(
        "curl -s -H 'Authorization: Bearer {}' http://{}/.well-known/faregate/me",
        agent.key, addresses.data
    );
    let quote_url = url(demo, quote);
    Ok(format!(
        "\nFaregate stands in front of a sample API that knows nothing of payments. Ctrl-C ends everything.\n\n  \
         gateway     http://{}\n  management  http://{}\n  metrics     http://{}/metrics\n  sample API  http://{upstream}\n\n\
         # the management API on the command line, and what its commands are\n\
         export FAREGATE_URL=http://{} FAREGATE_TOKEN={admin_token}\n{faregate} --help\n\n\
         An agent has {FUNDS} in its wallet. Paste, in another terminal:\n\n\
         # the balance before\n{balance}\n\n\
         # unpaid: 402, and what it costs ({})\ncurl -si {quote_url}\n\n\
         # paid with a signature: 402, sign, 200, receipt\n{pay} {quote_url}\n\n\
         # paid with the agent key, in one round trip\n{with_key} {quote_url}\n\n\
         # a stream of events, paid once ({})\n{pay} {}\n\n\
         # a POST ({})\n{pay} -d '{{\"hello\":\"world\"}}' {}\n\n\
         # half price from the fourth call to this API on, whatever it was for ({} before)\n{with_key} {}\n\n\
         # the balance after, and what was paid\n{balance}\n{faregate} payment list\n\n\
         # a stock x402 client pays with the same key (FAREGATE_PRIVATE_KEY) once it is told that it may\n\
         client.setSpendControls({{ allowedAssets: [{{ network: \"{}\", asset: \"{}\", maxAmountPerPayment: \"1000000\" }}] }})\n",
        addresses.data,
        addresses.control,
        addresses.ops,
        addresses.control,
        price(quote),
        price(ticks),
        url(demo, ticks),
        price(echo),
        url(demo, echo),
        price(forecast),
        url(demo, forecast),
        agent.network(),
        agent.token(),
    ))
}

fn url(demo: &Demo, route: &DemoRoute) -> String {
    format!("http://{}{}", demo.addresses.data, route.path)
}

fn price(route: &DemoRoute) -> &'static str {
    route.price.unwrap_or("free")
}

/// Atomic units, as x402 writes them; 0 where it is free.
fn units(route: &DemoRoute) -> String {
    let amount = route.price.and_then(|price| Amount::parse_dollars(price).ok()).unwrap_or(Amount::ZERO);
    amount.atomic().to_string()
}
