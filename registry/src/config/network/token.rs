//! What is paid with: `[[networks.tokens]]`, and USDC where nothing is said.

use alloy_primitives::{Address, address};
use domain::chain::TOKEN_DECIMALS;
use domain::{Asset, Token, TransferMethod};

use crate::config::section::words;
use crate::config::tree::{Item, Section};
use crate::config::value::{self, one_of};

/// Tokens of one network.
const TOKENS_MAX: usize = 8;

/// A network's number, its USDC, and the EIP-712 name there. The version is "2" everywhere.
type Known = (u64, Address, &'static str);

/// Circle's USDC where stock clients know it too (x402 `typescript/packages/mechanisms/evm/src/shared/defaultAssets.ts`).
const USDC: [Known; 11] = [
    (1, address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USD Coin"),
    (137, address!("3c499c542cEF5E3811e1192ce70d8cC03d5c3359"), "USD Coin"),
    (143, address!("754704Bc059F8C67012fEd69BC8A327a5aafb603"), "USDC"),
    (1_328, address!("4fCF1784B31630811181f670Aea7A7bEF803eaED"), "USDC"),
    (1_329, address!("e15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392"), "USDC"),
    (8_453, address!("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), "USD Coin"),
    (42_161, address!("af88d065e77c8cC2239327C5EDb3A432268e5831"), "USD Coin"),
    (42_220, address!("cebA9300f2b948710d2653dD7B07f33A8B32118C"), "USDC"),
    (43_114, address!("B97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E"), "USD Coin"),
    (84_532, address!("036CbD53842c5426634e7929541eC2318f3dCF7e"), "USDC"),
    (421_614, address!("75faf114eafb1BDbe2F0316DF893fd58CE46AA4d"), "USD Coin"),
];

/// The tokens of a network, the preferred one first.
pub(super) fn all(section: &Section<'_>, chain_id: Option<u64>) -> Option<Vec<Token>> {
    let Some(item) = section.item("tokens") else {
        let known = known(chain_id?);
        if known.is_none() {
            section.report().fail(
                section.spot(),
                "names no tokens, and no USDC is known there: write [[networks.tokens]] with address, name and version",
            );
        }
        return Some(vec![Token::new(known?)]);
    };
    let told = format!("must list 1 to {TOKENS_MAX} tokens; leave it out for USDC");
    let items = item.filled_list(TOKENS_MAX, told)?;
    let tokens: Vec<Token> = items.iter().filter_map(|item| one(item, chain_id)).collect();
    for (index, token) in tokens.iter().enumerate() {
        if tokens[..index].iter().any(|other| other.asset.address == token.asset.address) {
            item.fail(format!("names {} twice", token.asset.address));
        }
    }
    (tokens.len() == items.len()).then_some(tokens)
}

fn one(item: &Item<'_>, chain_id: Option<u64>) -> Option<Token> {
    let section = item.section()?;
    let required = |key, hint: &str| section.require(key, hint);
    let address = required("address", "write the contract of the token, such as \"0x...\"")
        .and_then(|item| item.parse(value::address));
    let word = |text: &str| words(text, 64);
    let name = required("name", "write the name in its EIP-712 domain, which payers sign, such as \"USDC\"")
        .and_then(|item| item.parse(word));
    let version = required("version", "write the version in its EIP-712 domain, such as \"2\"")
        .and_then(|item| item.parse(word));
    let decimals = section.item("decimals");
    if let Some(item) = decimals
        && item.integer(0..=255).is_some_and(|decimals| decimals != u64::from(TOKEN_DECIMALS))
    {
        item.fail(format!(
            "must be {TOKEN_DECIMALS}: prices are whole millionths of a dollar, and are paid to the unit, never rounded"
        ));
    }
    let methods = section.item("methods").map_or(Some(vec![TransferMethod::Eip3009]), |item| methods(&item));
    section.finish();
    Some(Token { asset: asset(chain_id?, address?, &name?, &version?), methods: methods? })
}

/// How a token may be moved.
fn methods(item: &Item<'_>) -> Option<Vec<TransferMethod>> {
    let known = TransferMethod::ALL;
    let told = "must list how the token is moved, the preferred way first: \"eip3009\", \"permit2\", or both";
    let items = item.filled_list(known.len(), told)?;
    let word = |text: &str| {
        let found = known.into_iter().find(|method| method.name() == text);
        found.ok_or_else(|| one_of(text, &known.map(TransferMethod::name)).to_string())
    };
    let methods: Vec<_> = items.iter().filter_map(|item| item.parse(word)).collect();
    if let [first, second] = &*methods
        && first == second
    {
        item.fail(format!("names \"{}\" twice", first.name()));
        return None;
    }
    (methods.len() == items.len()).then_some(methods)
}

fn known(chain_id: u64) -> Option<Asset> {
    let (_, address, name) = USDC.into_iter().find(|(known, ..)| *known == chain_id)?;
    Some(asset(chain_id, address, name, "2"))
}

fn asset(chain_id: u64, address: Address, name: &str, version: &str) -> Asset {
    let network = format!("eip155:{chain_id}").into();
    Asset { network, chain_id, address, name: name.into(), version: version.into() }
}
