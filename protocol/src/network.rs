//! What a network is called, and what of that matters. x402 v1 knows no CAIP-2, and its clients refuse a whole list of offers for one name that they do
//! not know (notes/clients.md F).

/// v1's name, CAIP-2 (x402 `typescript/packages/mechanisms/{evm,svm}/src/v1`).
const NAMES: [(&str, &str); 24] = [
    ("ethereum", "eip155:1"),
    ("sepolia", "eip155:11155111"),
    ("abstract", "eip155:2741"),
    ("abstract-testnet", "eip155:11124"),
    ("base", "eip155:8453"),
    ("base-sepolia", "eip155:84532"),
    ("avalanche", "eip155:43114"),
    ("avalanche-fuji", "eip155:43113"),
    ("iotex", "eip155:4689"),
    ("sei", "eip155:1329"),
    ("sei-testnet", "eip155:1328"),
    ("polygon", "eip155:137"),
    ("polygon-amoy", "eip155:80002"),
    ("peaq", "eip155:3338"),
    ("story", "eip155:1514"),
    ("educhain", "eip155:41923"),
    ("skale-base-sepolia", "eip155:324705682"),
    ("megaeth", "eip155:4326"),
    ("monad", "eip155:143"),
    ("stable", "eip155:988"),
    ("stable-testnet", "eip155:2201"),
    ("solana", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
    ("solana-devnet", "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"),
    ("solana-testnet", "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z"),
];

/// What CAIP-2 names of Solana's networks begin with.
const SOLANA: &str = "solana:";

/// Whether a network (CAIP-2) is one of Solana, where it is read what was signed.
#[must_use]
pub fn is_solana(caip2: &str) -> bool {
    caip2.starts_with(SOLANA)
}

/// What v1 calls a network, where it has a name for it.
#[must_use]
pub fn v1_name(caip2: &str) -> Option<&'static str> {
    NAMES.iter().find(|(_, id)| *id == caip2).map(|(name, _)| *name)
}

/// Which network v1 means by a name.
#[must_use]
pub fn of_v1_name(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_v1_is_one_network_and_back() {
        for (name, id) in NAMES {
            assert_eq!((of_v1_name(name), v1_name(id)), (Some(id), Some(name)));
        }
        assert_eq!((v1_name("eip155:402402"), of_v1_name("eip155:8453")), (None, None));
    }
}
