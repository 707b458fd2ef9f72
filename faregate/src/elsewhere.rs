//! Payments that are open on public networks which the file does not name: nobody settles them, and whoever earned them in the operator's
//! treasury is settled with only up to them.

use registry::Config;

/// What is said of each such network, of those on which so many payments are open.
pub(crate) fn warnings(config: &Config, open: &[(String, i64)]) -> Vec<String> {
    unnamed(config, open).map(|(network, payments)| warning(network, payments)).collect()
}

/// How many payments are open on such networks.
pub(crate) fn payments(config: &Config, open: &[(String, i64)]) -> i64 {
    unnamed(config, open).map(|(_, payments)| payments).sum()
}

fn unnamed<'a>(config: &Config, open: &'a [(String, i64)]) -> impl Iterator<Item = (&'a str, i64)> {
    let named = config.networks.iter().map(|settings| settings.network.id.to_string());
    let foreign = config.foreign.iter().map(|settings| settings.network.id.to_string());
    let named: Vec<String> = named.chain(foreign).collect();
    open.iter()
        .filter(move |(network, _)| !named.contains(network))
        .map(|(network, open)| (&**network, *open))
}

fn warning(network: &str, payments: i64) -> String {
    format!(
        "networks: {network}: payments are open on a network that the file does not name ({payments}): nobody settles them, and providers \
         whose payments came to a treasury there are settled with only up to the first of them; name it again until they are closed"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use registry::Environment;

    use super::*;

    #[test]
    fn only_what_is_open_on_networks_that_are_not_named_is_told() {
        let file = "[[networks]]\nid = \"eip155:84532\"\nrpc = [\"http://127.0.0.1:9\"]\n\
                    [[networks.facilitators]]\nurl = \"http://127.0.0.1:9\"\n";
        let config = Config::parse(Path::new("f.toml"), file, &Environment::default()).unwrap().config;
        let open =
            [("eip155:84532".to_owned(), 3), ("eip155:8453".to_owned(), 2), ("solana:x".to_owned(), 5)];
        let told = warnings(&config, &open);
        assert_eq!((told.len(), payments(&config, &open)), (2, 7));
        assert!(told[0].contains("eip155:8453") && told[0].contains("(2)"), "{}", told[0]);
    }
}
