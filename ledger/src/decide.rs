//! [`decide`]: a batch against the facts, greedily, in order. Pure: no clock, no I/O, the same for every store.
//!
//! One bad payment costs the others nothing: it gets its refusal, they get their rows. The constraints of the store
//! stay as the last wall and are never what decides (DESIGN invariant 5). Next: [`deposits`] for what a capture gives
//! a wallet, [`refunds`], [`transfers`], [`settlements`] and [`outgoing`] for what is no capture, `commit` for what is written.

mod deposits;
mod differences;
mod outgoing;
mod refunds;
mod resolutions;
mod settlements;
mod transfers;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::{Amount, PaymentId, TransactionId, UnixMillis, WalletId};

use crate::batch::{
    AccountId, CallKey, Charged, ClosedRow, Cost, Delta, End, FreeKey, Given, HeldAt, HoldRow, IntentRow,
    NewAccount, Operation, Outcome, Owner, PaymentRow, Refusal, UsageKey, WindowKey,
};
use crate::facts::{Facts, ProviderFacts, WalletFacts};
use crate::hold::HoldRequest;
use crate::intent::Token;
use crate::receipt::StoredResponse;
use crate::share::{Alike, Moved, Share};

/// Decides every operation, and what the commit changes. `at` is the batch's ledger time.
pub(crate) fn decide(
    facts: &Facts,
    given: &Given,
    operations: &[Operation<'_>],
    at: UnixMillis,
) -> (Vec<Outcome>, Delta) {
    let delta = Delta::after(facts.marker, at);
    let (nonces, spent, shares) = (HashSet::new(), HashMap::new(), HashMap::new());
    let next_account = facts.next_account;
    let mut draft = Draft { facts, given, delta, nonces, spent, shares, next_account };
    let outcomes = operations.iter().map(|operation| draft.decide(operation)).collect();
    (outcomes, draft.delta)
}

/// The facts, and what the batch has changed so far.
struct Draft<'a> {
    facts: &'a Facts,
    given: &'a Given,
    delta: Delta,
    /// Digests of the replay keys captured in this batch.
    nonces: HashSet<[u8; 16]>,
    /// Transactions that paid in this batch, on networks that are not read here.
    spent: HashMap<(Arc<str>, TransactionId), PaymentId>,
    /// What was booked in this batch for transactions that do not tell payments apart.
    shares: HashMap<Alike, HashSet<PaymentId>>,
    next_account: i64,
}

// === impl Draft ===

impl Draft<'_> {
    fn decide(&mut self, operation: &Operation<'_>) -> Outcome {
        let outcome = match operation {
            Operation::Capture { request, moved, share, .. }
                if self.is_spent(request, *moved) || self.is_shared_out(request.payment, *share) =>
            {
                Err(Refusal::TransactionSpent)
            }
            Operation::Capture { request, held, cost, used, recorded, moved, share } => {
                // Captured or refused: the hold is over with this batch.
                if *recorded {
                    self.delta.ended.push(request.payment);
                }
                self.capture(request, *held, *cost, *used, *moved, *share)
            }
            Operation::Hold { request, held, cost, owed } => self.hold(request, *held, *cost, *owed),
            Operation::Keep { payment, owed } => Ok(self.keep(*payment, *owed)),
            Operation::Void { payment, signed } => Ok(self.void(*payment, *signed)),
            Operation::CloseIntent { payment, moved } => self.settled(*payment, moved),
            Operation::Refund { payment, id, amount, reason, key } => self.refund(
                &refunds::Asked { payment: *payment, amount: *amount, reason: *reason, key: *key },
                *id,
            ),
            Operation::Fund { funding, id } => self.fund(funding, *id),
            Operation::Withdraw { withdrawal, id, covered } => self.withdraw(withdrawal, *id, *covered),
            Operation::Settle { closing, destination, names } => self.settle(closing, destination, *names),
            Operation::Pay { payment, id } => self.pay(payment, *id),
            Operation::Differ { payment, shown, late } => self.differ(*payment, *shown, *late),
            Operation::Resolve { resolving, id, late } => self.resolve(resolving, *id, *late),
            Operation::Step { tried: (id, tries), step, transfer } => self.step(*id, *tries, step, *transfer),
            Operation::CreateWallet(wallet) => Ok(self.create_wallet(*wallet)),
            Operation::OpenProvider(name) => Ok(self.open_provider(name)),
            Operation::OpenDirect(name) => Ok(self.open_direct(name)),
            Operation::OpenToken(token) => Ok(self.open_token(token)),
            Operation::Store { payment, response } => Ok(self.store(*payment, response)),
        };
        outcome.unwrap_or_else(Outcome::Refused)
    }

    /// Funds and limits are held in memory; what stands on disk is judged when it is captured.
    fn hold(
        &mut self,
        request: &HoldRequest,
        held: HeldAt,
        cost: Cost,
        owed: Option<Amount>,
    ) -> Result<Outcome, Refusal> {
        if self.is_captured(request) {
            return Err(Refusal::Duplicate);
        }
        let wallet = self.facts.wallets.peek(&request.wallet).ok_or(Refusal::UnknownWallet)?;
        let provider = self.facts.payee(request).ok_or(Refusal::UnknownProvider)?;
        let deposit = request.intent.as_ref().and_then(|intent| intent.deposit);
        // A token's account is no wallet that anybody spends from.
        let is_wallet = |wallet| self.facts.wallets.peek(&wallet).is_some_and(|facts| facts.floor);
        if deposit.is_some_and(|wallet| !is_wallet(wallet)) {
            return Err(Refusal::UnknownWallet);
        }
        self.delta.intents.extend(request.intent.as_ref().map(|intent| IntentRow {
            payment: request.payment,
            intent: Arc::clone(intent),
            amount: cost.maximum,
            held_at: held.at,
        }));
        self.delta.holds.push(HoldRow {
            request: request.clone(),
            wallet_account: wallet.account,
            provider_account: provider.account,
            cost,
            held_at: held.at,
            owed,
        });
        Ok(Outcome::Done)
    }

    fn keep(&mut self, payment: PaymentId, owed: Amount) -> Outcome {
        self.delta.kept.push((payment, owed));
        Outcome::Done
    }

    fn void(&mut self, payment: PaymentId, signed: bool) -> Outcome {
        self.delta.ended.push(payment);
        if signed {
            self.delta.unsigned.push(payment);
        }
        Outcome::Done
    }

    fn settled(
        &mut self,
        payment: PaymentId,
        Moved { transaction, share }: &Moved,
    ) -> Result<Outcome, Refusal> {
        let share = share.as_ref();
        if self.is_shared_out(payment, share) {
            return Err(Refusal::TransactionSpent);
        }
        Ok(self.close_intent(payment, End::Settled(*transaction), share))
    }

    fn close_intent(&mut self, payment: PaymentId, end: End, share: Option<&Share>) -> Outcome {
        if let Some(share) = share {
            self.shares.entry(share.alike.clone()).or_default().insert(payment);
        }
        let share = share.map(|share| (share.alike.value, share.one_of));
        self.delta.closed.push(ClosedRow { payment, end, share });
        Outcome::Done
    }

    /// Whether the request's replay key was captured, in this batch or before.
    fn is_captured(&self, request: &HoldRequest) -> bool {
        let nonce = request.replay.map(|key| key.nonce_digest());
        nonce.is_some_and(|nonce| self.facts.replays.get(&nonce).is_some() || self.nonces.contains(&nonce))
    }

    /// Whether the transaction that is said to have moved it paid for another payment, in this batch or before. Then its hold stands: nobody
    /// knows what became of it.
    fn is_spent(&self, request: &HoldRequest, moved: Option<End>) -> bool {
        let Some(named) = request.spends(moved) else { return false };
        let paid = self.spent.get(&named).or_else(|| self.given.spent.get(&named));
        paid.is_some_and(|paid| *paid != request.payment)
    }

    /// Whether the transaction that moved it, and does not say for which payments, is booked for as many others as it shows, in this batch
    /// and before.
    fn is_shared_out(&self, payment: PaymentId, share: Option<&Share>) -> bool {
        let Some(Share { alike, one_of }) = share else { return false };
        let booked: HashSet<PaymentId> = [&self.given.shares, &self.shares]
            .into_iter()
            .filter_map(|shares| shares.get(alike))
            .flatten()
            .copied()
            .filter(|booked| *booked != payment)
            .collect();
        u32::try_from(booked.len()).map_or(true, |booked| booked >= *one_of)
    }

    /// A tier is assigned here, in the order of the captures; that a call is free was decided when it was held, because
    /// whoever has no funds may make it.
    fn capture(
        &mut self,
        request: &HoldRequest,
        held: HeldAt,
        cost: Cost,
        used: Option<Amount>,
        moved: Option<End>,
        share: Option<&Share>,
    ) -> Result<Outcome, Refusal> {
        if self.is_captured(request) {
            return Err(Refusal::Duplicate);
        }
        let wallet = *self.facts.wallets.peek(&request.wallet).ok_or(Refusal::UnknownWallet)?;
        let provider = *self.facts.payee(request).ok_or(Refusal::UnknownProvider)?;
        let calls = CallKey { agent: request.agent, provider: provider.account, month: held.month };
        let call = self.calls(&calls) + 1;
        let price = if cost.free { Amount::ZERO } else { request.price.at_call(call) };
        let gross = used.map_or(price, |used| used.min(price));
        if wallet.floor && self.balance(request.wallet, &wallet) < gross.atomic() {
            return Err(Refusal::Funds);
        }
        for (key, limit) in held.limits(request) {
            self.check_window(&key, gross, limit)?;
        }
        let marker_gross = self.delta.marker.gross.checked_add(gross.atomic()).ok_or(Refusal::Amount)?;
        let deposited = self.deposited(request, provider.account, gross, moved)?;

        self.delta.marker.seq += 1;
        self.delta.marker.gross = marker_gross;
        self.nonces.extend(request.replay.map(|key| key.nonce_digest()));
        self.spent.extend(request.spends(moved).map(|named| (named, request.payment)));
        for (key, limit) in held.limits(request) {
            self.charge_window(key, gross, limit);
        }
        let counted = self.delta.calls.entry(calls).or_default();
        counted.made += 1;
        counted.spent += gross.atomic();
        if cost.free {
            *self.delta.free.entry(FreeKey::of(request, &held)).or_default() += 1;
        }
        if let Some(end) = moved {
            self.close_intent(request.payment, end, share);
        }
        let mut row = self.payment_row(request, held, (wallet, provider), (gross, call), cost.free);
        row.on_chain =
            request.intent.as_ref().map(|intent| Arc::new(intent.on_chain(moved.and_then(End::transaction))));
        self.move_payment(&row);
        if let Some(funding) = deposited {
            self.post(funding);
        }
        let receipt = row.receipt();
        self.delta.payments.push(row);
        Ok(Outcome::Captured(receipt))
    }

    fn payment_row(
        &self,
        request: &HoldRequest,
        held: HeldAt,
        (wallet, provider): (WalletFacts, ProviderFacts),
        (gross, call): (Amount, u64),
        free: bool,
    ) -> PaymentRow {
        PaymentRow {
            seq: self.delta.marker.seq,
            id: request.payment,
            agent: request.agent,
            wallet: request.wallet,
            wallet_account: wallet.account,
            provider: Arc::clone(&request.provider),
            provider_account: provider.account,
            fee_account: provider.fee,
            route: Arc::clone(&request.route),
            gross,
            fee: request.fee.fee_on(gross),
            revision: request.revision,
            call,
            replay: request.replay,
            digest: request.digest,
            fingerprint: request.fingerprint,
            idempotency: request.idempotency,
            held_at: held.at,
            captured_at: self.delta.marker.at,
            windows: request.limits.iter().map(Charged::from).collect(),
            free,
            on_chain: None,
            late_in: None,
        }
    }

    fn move_payment(&mut self, row: &PaymentRow) {
        let net = row.gross.atomic() - row.fee.atomic();
        self.debit(row.wallet_account, row.gross.atomic());
        self.credit(row.provider_account, net);
        self.credit(row.fee_account, row.fee.atomic());
        *self.delta.wallets.entry(row.wallet).or_default() -= row.gross.atomic();
        let usage = self.delta.usage.entry(usage_key(self.delta.marker.at, row)).or_default();
        usage.payments += 1;
        usage.gross += row.gross.atomic();
        usage.fee += row.fee.atomic();
    }

    fn create_wallet(&mut self, wallet: WalletId) -> Outcome {
        let opened = |account: &NewAccount| account.owner == Owner::Wallet(wallet);
        if !self.facts.wallets.contains(&wallet) && !self.delta.accounts.iter().any(opened) {
            self.open_account(Owner::Wallet(wallet));
        }
        Outcome::Done
    }

    /// The fee account is opened right after the provider's own.
    fn open_provider(&mut self, name: &Arc<str>) -> Outcome {
        let owner = Owner::Provider(Arc::clone(name));
        let opened = |account: &NewAccount| account.owner == owner;
        if !self.facts.providers.contains_key(name) && !self.delta.accounts.iter().any(opened) {
            self.open_account(owner);
            self.open_account(Owner::Fee(Arc::clone(name)));
        }
        Outcome::Done
    }

    /// Opened as a provider's own two.
    fn open_direct(&mut self, name: &Arc<str>) -> Outcome {
        let owner = Owner::Direct(Arc::clone(name));
        let opened = |account: &NewAccount| account.owner == owner;
        if !self.facts.direct.contains_key(name) && !self.delta.accounts.iter().any(opened) {
            self.open_account(owner);
            self.open_account(Owner::Receivable(Arc::clone(name)));
        }
        Outcome::Done
    }

    fn open_token(&mut self, token: &Token) -> Outcome {
        let owner = Owner::Chain(token.clone());
        let opened = |account: &NewAccount| account.owner == owner;
        if !self.facts.wallets.contains(&token.wallet) && !self.delta.accounts.iter().any(opened) {
            self.open_account(owner);
        }
        Outcome::Done
    }

    fn store(&mut self, payment: PaymentId, response: &StoredResponse) -> Outcome {
        self.delta.responses.push((payment, response.clone()));
        Outcome::Done
    }

    fn open_account(&mut self, owner: Owner) -> AccountId {
        let id = AccountId(self.next_account);
        self.delta.accounts.push(NewAccount { id, owner });
        self.next_account += 1;
        id
    }

    fn calls(&self, key: &CallKey) -> u64 {
        let committed = self.facts.agents.peek(&key.agent).map_or(0, |agent| agent.calls(key));
        let change = self.delta.calls.get(key).copied().unwrap_or_default();
        (committed + change.made).saturating_sub(change.returned)
    }

    /// The wall is the highest limit that a payment of this window was accepted under: a limit that was lowered
    /// since does not refuse what was held before (case R8).
    fn check_window(&self, key: &WindowKey, amount: Amount, limit: Option<Amount>) -> Result<(), Refusal> {
        let (spent, committed_limit) =
            self.facts.agents.peek(&key.agent).map_or((0, 0), |agent| agent.window(key));
        let change = self.delta.windows.get(key).copied().unwrap_or_default();
        let wall = committed_limit.max(change.limit).max(limit.map_or(i64::MAX, Amount::atomic));
        let after = (spent + change.spent - change.returned).checked_add(amount.atomic());
        if after.is_some_and(|after| after <= wall) { Ok(()) } else { Err(Refusal::Limit) }
    }

    fn charge_window(&mut self, key: WindowKey, amount: Amount, limit: Option<Amount>) {
        let change = self.delta.windows.entry(key).or_default();
        change.spent += amount.atomic();
        change.limit = change.limit.max(limit.map_or(i64::MAX, Amount::atomic));
    }

    fn debit(&mut self, account: AccountId, amount: i64) {
        self.delta.balances.entry(account).or_default().debit += amount;
    }

    fn credit(&mut self, account: AccountId, amount: i64) {
        self.delta.balances.entry(account).or_default().credit += amount;
    }
}

fn usage_key(at: UnixMillis, row: &PaymentRow) -> UsageKey {
    UsageKey { minute: at.minute(), provider: row.provider_account, route: Arc::clone(&row.route) }
}

#[cfg(test)]
mod tests;
