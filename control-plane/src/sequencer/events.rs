//! What the log says of a movement: its type, whose it is, and its data as the API writes amounts.

use std::collections::HashMap;

use domain::{Amount, Asset, WalletId};
use registry::alert::{Alert, Threshold};
use registry::journal::{NewEvent, Tenant};
use serde_json::{Value, json};

use super::movements::{Captured, Movement, What};
use crate::money::Money;
use crate::webhooks::message::CAPTURED_BATCH;

/// Payments of a provider.
pub(super) fn captured(batch: &Captured, asset: &Asset) -> NewEvent {
    NewEvent {
        kind: CAPTURED_BATCH,
        at: batch.at,
        tenant: Tenant::provider(&batch.provider),
        subject: batch.provider.clone(),
        data: json!({
            "provider": batch.provider,
            "first_seq": batch.first_seq,
            "last_seq": batch.last_seq,
            "count": batch.count,
            "gross": Money::new(batch.gross, asset),
            "fee": Money::new(batch.fee, asset),
        }),
    }
}

/// Anything else. `owners` are those of the wallets.
pub(super) fn moved(movement: &Movement, owners: &HashMap<WalletId, String>, asset: &Asset) -> NewEvent {
    let money = |amount: Amount| Money::new(amount, asset);
    let owner = movement.wallet().and_then(|wallet| owners.get(&wallet)).cloned();
    let mut tenant = Tenant { provider: None, owner };
    let (kind, subject, data) = match &movement.what {
        What::Refunded { payment, provider, .. } => {
            tenant.provider = Some(provider.clone());
            ("payment.refunded", payment.to_string(), given_back(&movement.what, asset))
        }
        What::WrittenOff { payment, provider, .. } => {
            tenant.provider = Some(provider.clone());
            ("payment.written_off", payment.to_string(), given_back(&movement.what, asset))
        }
        What::Differed { payment, provider, .. } => {
            tenant.provider = Some(provider.clone());
            ("reconciliation.difference", payment.to_string(), reconciled(&movement.what))
        }
        What::Resolved { payment, provider, .. } => {
            tenant.provider = Some(provider.clone());
            ("reconciliation.resolved", payment.to_string(), reconciled(&movement.what))
        }
        What::Verdict { payment, .. } => {
            ("payment.resolved", payment.to_string(), reconciled(&movement.what))
        }
        What::Transferred { id, wallet, amount, incoming, reference } => {
            let kind = if *incoming { "wallet.funded" } else { "wallet.withdrawn" };
            let data = json!({
                "wallet": wallet.to_string(), "transfer": id.to_string(), "amount": money(*amount),
                "external_reference": reference,
            });
            (kind, wallet.to_string(), data)
        }
        What::Settled { id, provider, payments, gross, fee, refunds, adjustments, net } => {
            tenant.provider = Some(provider.clone());
            let data = json!({
                "settlement": id.to_string(), "provider": provider, "payments": payments, "gross": money(*gross),
                "fee": money(*fee), "refunds": money(*refunds), "adjustments": money(*adjustments), "net": money(*net),
            });
            ("settlement.created", id.to_string(), data)
        }
        What::Payout { id, settlement, provider, rail, amount, paid } => {
            tenant.provider = Some(provider.clone());
            let kind = if paid.is_some() { "payout.paid" } else { "payout.created" };
            let data = json!({
                "payout": id.to_string(), "settlement": settlement.to_string(), "provider": provider, "rail": rail,
                "amount": money(*amount), "reference": paid,
            });
            (kind, id.to_string(), data)
        }
        What::Outgoing { id, provider, state, .. } => {
            tenant.provider = Some(provider.clone());
            (outgoing(state), id.to_string(), leaving(&movement.what))
        }
    };
    NewEvent { kind, at: movement.at, tenant, subject, data }
}

/// What was taken back of a payment: in the token in which it was made, where that was one of a public network.
fn given_back(what: &What, asset: &Asset) -> Value {
    match what {
        What::Refunded { id, payment, provider, wallet, token, amount, fee, reason } => {
            let token = token.as_ref().map(|(network, token)| (&**network, &**token));
            let money = |amount| match token {
                Some(token) => Money::in_token(amount, token),
                None => Money::new(amount, asset),
            };
            json!({
                "payment": payment.to_string(), "refund": id.to_string(), "provider": provider,
                "wallet": wallet.to_string(), "amount": money(*amount), "fee": money(*fee), "reason": reason,
            })
        }
        What::WrittenOff { payment, provider, network, token, payer, custody, amount, fee } => {
            let money = |amount| Money::in_token(amount, (network, token));
            json!({
                "payment": payment.to_string(), "provider": provider, "network": network, "payer": payer,
                "custody": custody, "amount": money(*amount), "fee": money(*fee),
            })
        }
        _ => Value::Null,
    }
}

/// A transfer out of our treasury after a step.
fn leaving(what: &What) -> Value {
    match what {
        What::Outgoing {
            id,
            payout,
            payment,
            difference,
            provider,
            to,
            amount,
            state,
            transaction,
            reason,
        } => {
            let amount = Money::in_token(*amount, (&to.network, &to.token.to_string()));
            json!({
                "outgoing": id.to_string(), "payout": payout.map(|payout| payout.to_string()),
                "payment": payment.map(|payment| payment.to_string()),
                "difference": difference.map(|payment| payment.to_string()), "provider": provider,
                "network": to.network, "asset": to.token.to_string(), "address": to.address.to_string(),
                "amount": amount, "state": state, "transaction": transaction, "reason": reason,
            })
        }
        _ => Value::Null,
    }
}

/// What a chain shows otherwise, what is decided of it, and what a person says where no chain tells.
fn reconciled(what: &What) -> Value {
    match what {
        What::Differed { payment, provider, network, token, booked, way, transaction, amount, late } => {
            json!({
                "payment": payment.to_string(), "provider": provider, "network": network, "booked": booked,
                "way": way, "transaction": transaction, "amount": Money::in_token(*amount, (network, token)),
                "late_payment": late.map(|late| late.to_string()),
            })
        }
        What::Resolved { id, payment, provider, network, token, to, amount, is_loss, reason, booked } => {
            json!({
                "payment": payment.to_string(), "resolution": id.to_string(), "provider": provider, "network": network,
                "to": to, "amount": Money::in_token(*amount, (network, token)), "is_loss": is_loss, "reason": reason,
                "late_payment": booked.map(|booked| booked.to_string()),
            })
        }
        What::Verdict { payment, network, token, amount, transaction } => {
            json!({
                "payment": payment.to_string(), "network": network, "amount": Money::in_token(*amount, (network, token)),
                "outcome": if transaction.is_some() { "moved" } else { "not_moved" }, "transaction": transaction,
            })
        }
        _ => Value::Null,
    }
}

/// The type of a step of a transfer out of our treasury.
fn outgoing(state: &str) -> &'static str {
    match state {
        "sent" => "outgoing.sent",
        "paid" => "outgoing.paid",
        "failed" => "outgoing.failed",
        "void" => "outgoing.void",
        _ => "outgoing.due",
    }
}

/// A balance below a threshold.
pub(crate) fn low_balance(alert: &Alert, balance: Amount, threshold: Amount, asset: &Asset) -> Value {
    let percent = match alert.threshold {
        Threshold::Percent(percent) => Some(percent),
        Threshold::Amount(_) => None,
    };
    json!({
        "wallet": alert.wallet.to_string(),
        "alert": alert.id.to_string(),
        "balance": Money::new(balance, asset),
        "threshold": Money::new(threshold, asset),
        "percent": percent,
    })
}
