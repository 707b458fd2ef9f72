//! [`Told`]: a rail that does as it is told.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Address, Amount, B256, PaymentId};
use ledger::Moved;
use parking_lot::Mutex;
use settlement::rail::{ContractSignature, Funds, Known, Purse, Settlers, Validity};
use settlement::{RailError, Settling, Signed};
use tokio::sync::watch;

use super::{Gate, HASH, PAYER_FUNDS, SETTLER};
use crate::rail::PublicRail;

/// A rail that does as it is told.
pub(in crate::rail::signed_hold::tests) struct Told {
    settling: Mutex<Settling>,
    funds: Mutex<i64>,
    out: Mutex<Option<RailError>>,
    settled: Mutex<u32>,
    asked: Mutex<Option<Amount>>,
    is_distrusted: Mutex<bool>,
    known: Mutex<Known>,
    reads: Mutex<u32>,
    /// Settlements wait at it.
    gate: Mutex<Option<Arc<Gate>>>,
    reading: Mutex<Option<Arc<Gate>>>,
    validity: Mutex<Result<Validity, RailError>>,
    questions: Mutex<u32>,
    changes: watch::Sender<u64>,
}

// === impl Told ===

impl Told {
    pub(super) fn new() -> Self {
        Self {
            settling: Mutex::new(Settling::Moved(HASH)),
            funds: Mutex::new(PAYER_FUNDS),
            out: Mutex::new(None),
            settled: Mutex::new(0),
            asked: Mutex::new(None),
            is_distrusted: Mutex::new(false),
            known: Mutex::new(Known::Stranger),
            reads: Mutex::new(0),
            gate: Mutex::new(None),
            reading: Mutex::new(None),
            validity: Mutex::new(Ok(Validity::NoContract)),
            questions: Mutex::new(0),
            changes: watch::Sender::default(),
        }
    }

    pub(in crate::rail::signed_hold::tests) fn does(&self, settling: Settling) {
        *self.settling.lock() = settling;
    }

    pub(in crate::rail::signed_hold::tests) fn leaves(&self, funds: i64) {
        *self.funds.lock() = funds;
    }

    pub(in crate::rail::signed_hold::tests) fn is_out(&self, error: Option<RailError>) {
        *self.out.lock() = error;
    }

    pub(in crate::rail::signed_hold::tests) fn distrusts(&self) {
        *self.is_distrusted.lock() = true;
    }

    /// What it knows of its payers without a read.
    pub(in crate::rail::signed_hold::tests) fn knows(&self, known: Known) {
        *self.known.lock() = known;
    }

    /// How often funds were read.
    pub(in crate::rail::signed_hold::tests) fn reads(&self) -> u32 {
        *self.reads.lock()
    }

    /// What payers' contracts say.
    pub(in crate::rail::signed_hold::tests) fn says(&self, validity: Result<Validity, RailError>) {
        *self.validity.lock() = validity;
    }

    /// How often one was asked.
    pub(in crate::rail::signed_hold::tests) fn questions(&self) -> u32 {
        *self.questions.lock()
    }

    /// How often a settlement was asked for.
    pub(in crate::rail::signed_hold::tests) fn settled(&self) -> u32 {
        *self.settled.lock()
    }

    /// How much was to be settled last.
    pub(in crate::rail::signed_hold::tests) fn asked(&self) -> Option<Amount> {
        *self.asked.lock()
    }

    pub(in crate::rail::signed_hold::tests) fn holds_back(&self) -> Arc<Gate> {
        let gate = Arc::new(Gate::new());
        *self.gate.lock() = Some(Arc::clone(&gate));
        gate
    }

    /// Holds back the next one whose funds are read.
    pub(in crate::rail::signed_hold::tests) fn reads_slowly(&self) -> Arc<Gate> {
        let gate = Arc::new(Gate::new());
        *self.reading.lock() = Some(Arc::clone(&gate));
        gate
    }
}

#[async_trait]
impl PublicRail for Told {
    fn ready(&self, _network: &str, _payer: Address) -> Result<(), RailError> {
        self.out.lock().clone().map_or(Ok(()), Err)
    }

    fn is_trusted(&self, _payer: Address) -> bool {
        !*self.is_distrusted.lock()
    }

    fn last_block(&self, _network: &str) -> Option<u64> {
        Some(7)
    }

    fn settlers(&self, _network: &str) -> Settlers {
        [SETTLER].into()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn validate(&self, _sealed: ContractSignature<'_>) -> Result<Validity, RailError> {
        *self.questions.lock() += 1;
        self.validity.lock().clone()
    }

    fn known(&self, _purse: &Purse, _amount: Amount) -> Known {
        *self.known.lock()
    }

    async fn funds(&self, _purse: &Purse, _amount: Amount) -> Result<Funds, RailError> {
        *self.reads.lock() += 1;
        let gate = self.reading.lock().take();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let balance = self.funds.lock().unsigned_abs().try_into().unwrap();
        Ok(Funds { balance, allowance: None })
    }

    async fn settle(&self, _payment: PaymentId, _signed: &Signed, amount: Amount) -> Settling {
        *self.settled.lock() += 1;
        *self.asked.lock() = Some(amount);
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        self.settling.lock().clone()
    }

    async fn moved(&self, _signed: &Signed, _amount: Amount, transaction: B256) -> Moved {
        transaction.into()
    }
}
