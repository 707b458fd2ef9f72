//! [`Payer`]: signs what a 402 asks for, and [`Payment`]: the signed payload, open to every kind of tampering.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Address, B256};
use protocol::authorization::Authorization;
use protocol::offer::Offer;
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
        let text = random_hex();
        let key = SigningKey::from_hex(&text).expect("a random key is on the curve");
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

    /// Signs the first offer of a 402, as stock clients do.
    #[must_use]
    pub fn pay(&self, challenge: &Response) -> Payment {
        self.pay_challenge(&challenge.challenge())
    }

    /// Signs the first offer of a decoded challenge.
    #[must_use]
    pub fn pay_challenge(&self, challenge: &Value) -> Payment {
        let offer = &challenge["accepts"][0];
        let timeout = offer["maxTimeoutSeconds"].as_u64().expect("a timeout in the offer");
        let authorization = json!({
            "from": self.address().to_checksum(None),
            "to": offer["payTo"],
            "value": offer["amount"],
            "validAfter": "0",
            "validBefore": (self.seconds() + timeout).to_string(),
            "nonce": random_hex(),
        });
        let payload = json!({
            "x402Version": 2,
            "resource": challenge["resource"],
            "accepted": offer,
            "payload": { "authorization": authorization, "signature": "" },
        });
        let mut payment = Payment { payload };
        self.sign(&mut payment);
        payment
    }

    fn seconds(&self) -> u64 {
        self.clock.as_ref().map_or_else(seconds, |clock| clock.seconds().unsigned_abs())
    }

    /// Signs the authorization as it stands, over the domain that `accepted` names.
    pub fn sign(&self, payment: &mut Payment) {
        let offer: Offer = serde_json::from_value(payment.payload["accepted"].clone()).expect("an offer");
        let domain = sign::domain(&offer).expect("an offer that can be signed");
        let signature = self.key.sign(domain.digest(&payment.authorization()));
        payment.payload["payload"]["signature"] = Value::from(hex(&signature));
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
