//! [`Payer`]: signs what a 402 asks for, and [`Payment`]: the signed payload, open to every kind of tampering.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::{Address, B256};
use protocol::authorization::Authorization;
use protocol::network::of_v1_name;
use protocol::sign;
use protocol::signature::SigningKey;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::message::Response;

/// A private key.
#[derive(Clone)]
pub struct Payer {
    key: SigningKey,
    text: String,
    /// What it reads the time from; the machine's clock where there is none.
    clock: Option<Clock>,
}

/// A payment as JSON, before it becomes a header.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The payload; change it as you like.
    pub payload: Value,
}

// === impl Payer ===

impl Payer {
    /// A new key.
    #[must_use]
    pub fn random() -> Self {
        Self::with_key(random_hex())
    }

    /// The key of this number, always the same one.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self::with_key(format!("0xfa2e9a7e{number:056x}"))
    }

    fn with_key(text: String) -> Self {
        let key = SigningKey::from_hex(&text).expect("a key on the curve");
        Self { key, text, clock: None }
    }

    /// Signs by this clock from now on.
    pub fn follow(&mut self, clock: &Clock) {
        self.clock = Some(clock.clone());
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// The key in hexadecimal, for clients of other languages.
    #[must_use]
    pub fn private_key(&self) -> &str {
        &self.text
    }

    /// The `Authorization` that signs in with the text of a 401.
    #[must_use]
    pub fn sign_in(&self, unauthorized: &Response) -> String {
        let told = unauthorized.json();
        let text = told["challenge"].as_str().expect("a text to sign");
        format!("Faregate {}.{}", URL_SAFE_NO_PAD.encode(text), sign::sign_message(&self.key, text))
    }

    /// Signs the first offer of a 402, as stock clients do.
    #[must_use]
    pub fn pay(&self, challenge: &Response) -> Payment {
        self.pay_challenge(&challenge.challenge())
    }

    /// Signs the first offer of a decoded challenge.
    #[must_use]
    pub fn pay_challenge(&self, challenge: &Value) -> Payment {
        self.pay_offer(challenge, 0)
    }

    /// Signs one offer of a decoded challenge, by EIP-3009 or by Permit2 as it wants.
    #[must_use]
    pub fn pay_offer(&self, challenge: &Value, index: usize) -> Payment {
        let offer = &challenge["accepts"][index];
        let until = self.seconds() + offer["maxTimeoutSeconds"].as_u64().expect("a timeout in the offer");
        let signed = if offer["scheme"] == "upto" || offer["extra"]["assetTransferMethod"] == "permit2" {
            json!({ "permit2Authorization": self.permit(offer, until, &random_decimal()), "signature": "" })
        } else {
            json!({ "authorization": self.authorization(offer, until), "signature": "" })
        };
        let payload = json!({
            "x402Version": 2,
            "resource": challenge["resource"],
            "accepted": offer,
            "payload": signed,
        });
        let mut payment = Payment { payload };
        self.sign(&mut payment);
        payment
    }

    /// Signs the first offer of a body of x402 v1, for `X-PAYMENT`.
    #[must_use]
    pub fn pay_v1(&self, body: &Value) -> Payment {
        let offer = &body["accepts"][0];
        let mut known = offer.clone();
        known["network"] = of_v1_name(offer["network"].as_str().expect("a name")).into();
        known["amount"] = offer["maxAmountRequired"].clone();
        let signed = self.pay_challenge(&json!({ "accepts": [known] }));
        let payload = json!({
            "x402Version": 1,
            "scheme": offer["scheme"],
            "network": offer["network"],
            "payload": signed.payload["payload"],
        });
        Payment { payload }
    }

    fn authorization(&self, offer: &Value, until: u64) -> Value {
        json!({
            "from": self.address().to_checksum(None),
            "to": offer["payTo"],
            "value": offer["amount"],
            "validAfter": "0",
            "validBefore": until.to_string(),
            "nonce": random_hex(),
        })
    }

    fn seconds(&self) -> u64 {
        self.clock.as_ref().map_or_else(seconds, |clock| clock.seconds().unsigned_abs())
    }

    /// Signs the authorization or the permit as it stands, over the domain that `accepted` names.
    pub fn sign(&self, payment: &mut Payment) {
        let signed = &payment.payload["payload"];
        let signature = match signed.get("permit2Authorization") {
            Some(permit) => self.sign_permit(permit),
            None => {
                let offer = serde_json::from_value(payment.payload["accepted"].clone()).expect("an offer");
                let domain = sign::domain(&offer).expect("an offer that can be signed");
                hex(&self.sign_digest(domain.digest(&payment.authorization())))
            }
        };
        payment.payload["payload"]["signature"] = Value::from(signature);
    }

    pub(crate) fn sign_digest(&self, digest: B256) -> [u8; 65] {
        self.key.sign(digest)
    }
}

// === impl Payment ===

impl Payment {
    /// The header's value.
    #[must_use]
    pub fn header(&self) -> String {
        STANDARD.encode(self.payload.to_string())
    }

    /// With another value at a JSON pointer, signature untouched.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        match self.payload.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => panic!("the payment has no {pointer}"),
        }
        self
    }

    /// With another value at a JSON pointer, signed again.
    #[must_use]
    pub fn signed_with(self, payer: &Payer, pointer: &str, value: Value) -> Self {
        let mut changed = self.with(pointer, value);
        payer.sign(&mut changed);
        changed
    }

    /// With a payment identifier.
    #[must_use]
    pub fn identified(mut self, identifier: &str) -> Self {
        self.payload["extensions"] =
            json!({ "payment-identifier": { "info": { "required": false, "id": identifier } } });
        self
    }

    /// The signature's 65 bytes.
    #[must_use]
    pub fn signature(&self) -> Vec<u8> {
        let text = self.payload["payload"]["signature"].as_str().expect("a signature");
        unhex(text.trim_start_matches("0x"))
    }

    /// With these bytes in place of the signature.
    #[must_use]
    pub fn with_signature(self, bytes: &[u8]) -> Self {
        self.with("/payload/signature", Value::from(hex(bytes)))
    }

    /// Of its authorization.
    #[must_use]
    pub fn nonce(&self) -> B256 {
        self.authorization().nonce
    }

    fn authorization(&self) -> Authorization {
        let text =
            |name: &str| self.payload["payload"]["authorization"][name].as_str().expect("a text").to_owned();
        Authorization {
            from: text("from").parse().expect("an address"),
            to: text("to").parse().expect("an address"),
            value: text("value").parse().expect("a number"),
            valid_after: text("validAfter").parse().expect("a number"),
            valid_before: text("validBefore").parse().expect("a number"),
            nonce: text("nonce").parse::<B256>().expect("32 bytes"),
        }
    }
}

/// Unix seconds now.
#[must_use]
pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// `0x` and 32 random bytes.
#[must_use]
pub fn random_hex() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("randomness");
    hex(&bytes)
}

/// 128 random bits as a number in decimal.
#[must_use]
pub fn random_decimal() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("randomness");
    u128::from_be_bytes(bytes).to_string()
}

/// `0x` and the digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Bytes from digits without `0x`.
#[must_use]
pub fn unhex(digits: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}
