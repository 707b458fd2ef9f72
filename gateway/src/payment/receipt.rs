//! [`field`]: a receipt as its payer's client reads it.

use http::HeaderName;
use ledger::ReceiptRecord;
use protocol::X402_VERSION_1;
use protocol::receipt::SettlementResponse;

use crate::answer::field;
use crate::stage::hold::Payer;

/// The field that carries the receipt, and its value: what stock clients read as the settlement of their payment.
pub(crate) fn field(record: &ReceiptRecord, payer: &Payer) -> (&'static HeaderName, String) {
    let name = record.on_chain.as_ref().map_or_else(|| payer.name(), |paid| paid.payer.to_string());
    let transaction = record.transaction.0;
    let network = record.on_chain.as_ref().map_or(&payer.network, |paid| &paid.network);
    let mut receipt = SettlementResponse::settled(network, &name, transaction, record.amount, record.payment);
    if let Some(paid) = &record.on_chain {
        // None yet where it is settled later.
        receipt.transaction = paid.transaction.map(|hash| hash.to_string()).unwrap_or_default();
    }
    written(receipt, payer)
}

/// The same for a call that used nothing of what was signed: it was served, and nothing moves.
pub(crate) fn unused(payer: &Payer) -> (&'static HeaderName, String) {
    let receipt = SettlementResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: Some(payer.name()),
        transaction: String::new(),
        network: payer.network.to_string(),
        amount: Some("0".to_owned()),
        extra: None,
    };
    written(receipt, payer)
}

/// The same for a payment that was refused where it was to be settled: nothing moved.
pub(crate) fn refused(reason: &str, payer: &Payer) -> (&'static HeaderName, String) {
    let receipt = SettlementResponse {
        success: false,
        error_reason: Some(reason.to_owned()),
        error_message: None,
        payer: Some(payer.name()),
        transaction: String::new(),
        network: payer.network.to_string(),
        amount: None,
        extra: None,
    };
    written(receipt, payer)
}

fn written(receipt: SettlementResponse, payer: &Payer) -> (&'static HeaderName, String) {
    match payer.version {
        X402_VERSION_1 => (&field::X_PAYMENT_RESPONSE, receipt.in_v1().to_header()),
        _ => (&field::PAYMENT_RESPONSE, receipt.to_header()),
    }
}
