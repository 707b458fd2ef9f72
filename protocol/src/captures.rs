//! Bytes captured from stock clients (notes/clients.md, wire captures), and what viem makes of them.

use std::str::FromStr;

use domain::{Address, Asset, B256};

/// `PAYMENT-REQUIRED` of `@x402/express` 2.27, decoded.
pub(crate) const CHALLENGE: &str = r#"{"x402Version":2,"error":"Payment required","resource":{"url":"http://127.0.0.1:4021/paid","description":"paid GET","mimeType":"application/json"},"accepts":[{"scheme":"exact","network":"eip155:84532","amount":"1000","asset":"0x036CbD53842c5426634e7929541eC2318f3dCF7e","payTo":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","maxTimeoutSeconds":300,"extra":{"name":"USDC","version":"2"}}]}"#;

/// `PAYMENT-SIGNATURE` of `@x402/fetch` 2.27, decoded.
pub(crate) const PAYMENT: &str = r#"{"x402Version":2,"payload":{"authorization":{"from":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","to":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","value":"1000","validAfter":"0","validBefore":"1795349761","nonce":"0x5ef03eab4354bb4680c137ab8a55124e96e1a140ad7a1bf085de4e0c9e2a2c50"},"signature":"0x087b29b23a9757912840f93bfaba2bb4a6d3cd46cea6acc9c0f074a5a6e518b81809bd4ba3111858dc2dc6ea6b9b3a1db5a436e407ac04ca2209745bc1a317091b"},"resource":{"url":"http://127.0.0.1:4051/paid","description":"paid POST","mimeType":"application/json"},"accepted":{"scheme":"exact","network":"eip155:84532","amount":"1000","asset":"0x036CbD53842c5426634e7929541eC2318f3dCF7e","payTo":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","maxTimeoutSeconds":300,"extra":{"name":"USDC","version":"2"}}}"#;

/// The same payment as the Rust and Go clients would write it: another order, lower case, nulls for what is absent.
pub(crate) const PAYMENT_REORDERED: &str = r#"{"accepted":{"asset":"0x036cbd53842c5426634e7929541ec2318f3dcf7e","extra":{"version":"2","name":"USDC"},"maxTimeoutSeconds":300,"payTo":"0x90f79bf6eb2c4f870365e785982e1f101e93b906","amount":"1000","network":"eip155:84532","scheme":"exact"},"extensions":null,"payload":{"signature":"0x087b29b23a9757912840f93bfaba2bb4a6d3cd46cea6acc9c0f074a5a6e518b81809bd4ba3111858dc2dc6ea6b9b3a1db5a436e407ac04ca2209745bc1a317091b","authorization":{"nonce":"0x5ef03eab4354bb4680c137ab8a55124e96e1a140ad7a1bf085de4e0c9e2a2c50","validBefore":"1795349761","validAfter":"0","value":"1000","to":"0x90f79bf6eb2c4f870365e785982e1f101e93b906","from":"0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc"}},"resource":null,"x402Version":2}"#;

/// `PAYMENT-RESPONSE` of `@x402/express` 2.27, decoded.
pub(crate) const RECEIPT: &str = r#"{"success":true,"payer":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","transaction":"0x730522cc269d9dc866a72da41b419a23da8522fc08f3006d27a93d09357f7f15","network":"eip155:84532"}"#;

/// A v1 `X-PAYMENT`, decoded, with the signature of the v2 capture.
pub(crate) const PAYMENT_V1: &str = r#"{"x402Version":1,"scheme":"exact","network":"base-sepolia","payload":{"signature":"0x087b29b23a9757912840f93bfaba2bb4a6d3cd46cea6acc9c0f074a5a6e518b81809bd4ba3111858dc2dc6ea6b9b3a1db5a436e407ac04ca2209745bc1a317091b","authorization":{"from":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","to":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","value":"1000","validAfter":"1795348869","validBefore":"1795349529","nonce":"0xf3ac2fb4d6212dd1b720498e210a5d4e27df1a2ca6f113e6b815204dcf91043d"}}}"#;

/// `PAYMENT-SIGNATURE` by Permit2, as `@x402/evm` 2.27 signs it, decoded.
pub(crate) const PAYMENT_PERMIT: &str = r#"{"x402Version":2,"payload":{"signature":"0x1bbbfbfe477e43e427e723e7b3e975e82c9c7ef34f29830573ee687e542f74f072ddf98a2eb6ab99cf0b5ec50da98438f4458273a5aaed07fc87b26819e3110c1c","permit2Authorization":{"from":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","permitted":{"token":"0x036CbD53842c5426634e7929541eC2318f3dCF7e","amount":"1000"},"spender":"0x402085c248EeA27D92E8b30b2C58ed07f9E20001","nonce":"88158008805833114393038421873560379444918642680366683288754200633333253366283","deadline":"1795947325","witness":{"to":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","validAfter":"0"}}},"accepted":{"scheme":"exact","network":"eip155:84532","amount":"1000","asset":"0x036CbD53842c5426634e7929541eC2318f3dCF7e","payTo":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","maxTimeoutSeconds":300,"extra":{"name":"USDC","version":"2","assetTransferMethod":"permit2"}}}"#;

/// The same of scheme `upto`.
pub(crate) const PAYMENT_UPTO: &str = r#"{"x402Version":2,"payload":{"signature":"0x7fe177bf970398b2229d6521c67891d40eeefc083fb887de1951fbd885a435fa57e01c3f7162192a300a418572915babdbb983da5b4bfbfa61930b04f561a27c1c","permit2Authorization":{"from":"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC","permitted":{"token":"0x036CbD53842c5426634e7929541eC2318f3dCF7e","amount":"2000"},"spender":"0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002","nonce":"35915261026680504004911869782255532751749278430522920032942942765623364183939","deadline":"1795947325","witness":{"to":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","facilitator":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8","validAfter":"0"}}},"accepted":{"scheme":"upto","network":"eip155:84532","amount":"2000","asset":"0x036CbD53842c5426634e7929541eC2318f3dCF7e","payTo":"0x90F79bf6EB2c4f870365E785982E1f101E93b906","maxTimeoutSeconds":300,"extra":{"name":"USDC","version":"2","assetTransferMethod":"permit2","facilitatorAddress":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}}}"#;

/// viem's `hashTypedData` of [`PAYMENT`].
pub(crate) const PAYMENT_DIGEST: &str = "0xb91c4a174ae272e782e2b8acaf94798511196c55fe8a797fae847ea2d9c032a4";

/// Who signed [`PAYMENT`], by viem's `recoverTypedDataAddress`.
pub(crate) const PAYER: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

/// The asset of the captures.
pub(crate) fn usdc() -> Asset {
    Asset {
        network: "eip155:84532".into(),
        chain_id: 84_532,
        address: address("0x036CbD53842c5426634e7929541eC2318f3dCF7e"),
        name: "USDC".into(),
        version: "2".into(),
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::from_str(text).unwrap()
}

pub(crate) fn word(text: &str) -> B256 {
    B256::from_str(text).unwrap()
}
