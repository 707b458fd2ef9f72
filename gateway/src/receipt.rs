//! [`field`]: a receipt as its payer's client reads it.

use http::HeaderName;
use ledger::ReceiptRecord;
use protocol::X402_VERSION_1;
use protocol::receipt::SettlementResponse;

use crate::field;
use crate::stage::hold::Payer;

/// The field that carries the receipt, and its value: what stock clients read as the settlement of their payment.
pub(crate) fn field(record: &ReceiptRecord, payer: &Payer) -> (&'static HeaderName, String) {
    let name = payer.name();
    let transaction = record.transaction.0;
    let receipt =
        SettlementResponse::settled(&payer.network, &name, transaction, record.amount, record.payment);
    match payer.version {
        X402_VERSION_1 => (&field::X_PAYMENT_RESPONSE, receipt.in_v1().to_header()),
        _ => (&field::PAYMENT_RESPONSE, receipt.to_header()),
    }
}
