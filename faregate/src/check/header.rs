//! How long the field becomes in which a 402 asks for a payment (`PAYMENT-REQUIRED`). A proxy in front takes a header of so many bytes and no
//! more, and answers 502 in the place of every 402 that has a longer one.

use domain::Price;
use registry::Config;

use crate::explain::offers;

/// What many proxies take of an answer's header, in bytes: nginx's `proxy_buffer_size`, which is a page.
const TAKEN: usize = 4_096;

/// What stands in it beside the field, in bytes.
const BESIDE: usize = 512;

/// What the field's JSON has beside the offers and what the route says of itself, in bytes; an offer, about.
const AROUND: usize = 420;
const OFFER: usize = 330;

/// Routes whose field is too long for such a proxy, or nearly.
pub(super) fn warnings(config: &Config) -> impl Iterator<Item = String> {
    let catalog = &config.catalog;
    let priced = catalog.routes.iter().filter(|route| route.price != Price::Free);
    let lengths = priced.filter_map(|route| {
        let provider = catalog.providers.get(route.provider.0 as usize)?;
        let offers = offers::all(route, provider, config).len();
        let url = config.public_url.as_deref().map_or(0, str::len) + route.pattern.to_string().len();
        let json = AROUND + offers * OFFER + route.description.len() + route.mime_type.len() + url;
        // In base64.
        Some((route, offers, json.div_ceil(3) * 4))
    });
    lengths.filter(|(.., length)| length + BESIDE > TAKEN).map(|(route, offers, length)| {
        format!(
            "routes: {}: PAYMENT-REQUIRED of its 402 is about {length} bytes long ({offers} offers): a proxy in front must take so much of a \
             header, or answers 502 (nginx: proxy_buffer_size 16k)",
            route.name
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use registry::Environment;

    use super::*;

    fn told(count: usize, methods: &str, description: usize) -> Vec<String> {
        let network = |number: usize| {
            format!(
                "[[networks]]\nid = \"eip155:{}\"\nrpc = [\"https://n\"]\n[[networks.tokens]]\n\
                 address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"\nname = \"USDC\"\nversion = \"2\"\nmethods = [{methods}]\n\
                 [[networks.facilitators]]\nurl = \"https://f\"\n",
                84_532 + number
            )
        };
        let networks: String = (0..count).map(network).collect();
        let payee = if count > 0 { "address = \"0x90F79bf6EB2c4f870365E785982E1f101E93b906\"\n" } else { "" };
        let text = format!(
            "{networks}[[providers]]\nname = \"acme\"\n{payee}\
             upstream = {{ addresses = [\"http://127.0.0.1:9\"] }}\n\
             [[providers.routes]]\nname = \"r\"\npath = \"/r\"\nprice = \"$0.01\"\ndescription = \"{}\"\n\
             [[providers.routes]]\nname = \"free\"\npath = \"/free\"\nprice = \"free\"\n",
            "d".repeat(description)
        );
        let config = Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap().config;
        warnings(&config).collect()
    }

    #[test]
    fn a_402_that_is_too_long_for_a_proxy_is_told() {
        let both = "\"eip3009\", \"permit2\"";
        assert_eq!(told(0, both, 200), [""; 0]);
        assert_eq!(told(3, "\"eip3009\"", 0), [""; 0]);
        let long = told(3, both, 0);
        assert!(
            long.len() == 1 && long[0].starts_with("routes: r: ") && long[0].contains("7 offers"),
            "{long:?}"
        );
        assert_eq!(told(3, "\"eip3009\"", 1_000).len(), 1, "by what is said of it");
    }
}
