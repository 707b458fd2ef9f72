//! [`Deposit`]: a payment on a public network that funds a wallet.
//!
//! It is held, unknown and captured as any other payment there, so that one signature never pays twice, whatever it was used for. Its
//! capture is the funding: both are one commit, and only what moved for good is captured ([`crate::Hold::capture_settled`],
//! [`crate::Ledger::close`]). What cannot be settled for good yet is left unknown. Next: `decide::deposits`.

use std::sync::Arc;

use domain::{
    Amount, B256, BasisPoints, Capture, Custody, Fingerprint, PaymentId, Price, ReplayKey, Settle, WalletId,
};

use crate::hold::HoldRequest;
use crate::intent::Intent;

/// Who is paid by deposits, in the books. Providers' names begin with a letter or a digit.
pub const DEPOSITS: &str = "@deposits";

/// What is to be deposited.
#[derive(Clone, Debug)]
pub struct Deposit {
    /// The payment's name, made by the caller.
    pub payment: PaymentId,
    /// Which wallet is funded; it must be open.
    pub wallet: WalletId,
    /// With how much; never zero.
    pub amount: Amount,
    /// What was signed. It is made out to the treasury, settled at once, and funds the wallet, whatever it says.
    pub intent: Intent,
    /// The signed authorization's identity.
    pub replay: ReplayKey,
    /// Its digest.
    pub digest: B256,
    /// What was asked.
    pub fingerprint: Fingerprint,
}

// === impl Deposit ===

impl Deposit {
    /// What the ledger is asked to hold.
    #[must_use]
    pub fn request(self) -> HoldRequest {
        let Self { payment, wallet, amount, intent, replay, digest, fingerprint } = self;
        let intent =
            Intent { custody: Custody::Treasury, settle: Settle::After, deposit: Some(wallet), ..intent };
        HoldRequest {
            payment,
            agent: intent.agent(),
            wallet: intent.wallet(),
            provider: DEPOSITS.into(),
            route: wallet.to_string().into(),
            price: Price::Fixed(amount),
            capture: Capture::After,
            revision: 0,
            fee: BasisPoints::default(),
            per_day: None,
            per_month: None,
            limits: Vec::new(),
            free_per_day: 0,
            replay: Some(replay),
            digest: Some(digest),
            idempotency: None,
            fingerprint,
            intent: Some(Arc::new(intent)),
            unsettled_max: None,
        }
    }
}
