//! What members are answered: those that a node says would fail, before they are sent, and those of a transaction that counts.

use std::sync::Arc;

use tracing::warn;

use super::batch;
use super::fate::{self, Fate};
use super::judge::{self, Shown};
use super::member::{Member, Order};
use super::outbox::{Landed, Outbox, Recorded, Sent};
use super::task::{Failure, Task};
use crate::chain::{Receipt, RpcError};
use crate::rail::Settling;

/// What is no answer of Multicall3.
const NO_MULTICALL: RpcError = RpcError::Malformed("aggregate3");

/// How often a member goes into a transaction, where it may have been another's call or transaction that kept it from moving, or its payer's
/// money was elsewhere for a moment.
const TRIES: u32 = 3;

const TIME_OVER: &str = "its time was over before it was moved";
const REVERTED: &str = "the token did not move it: the transaction was reverted, or shows no transfer";
const FAILED_ALONE: &str = "its call failed in a block, and a node had said that it would not";
const PASSED: &str = "another transaction of the key took its place; see on chain that it did not move before it is tried again";
const FORGOTTEN: &str =
    "the outbox does not know all that the key sent: it may have left before, and a person has to see to it";
const ELSEWHERE: &str = "it stands in a transaction of another key, which is not closed";
const OTHERWISE: &str = "something else was written down of it meanwhile";
const UNREAD: &str = "no node tells what became of it";
const UNCLEAR: &str = "its nonce is used, and the chain does not show yet by what";

// === impl Task ===

impl<O: Outbox> Task<O> {
    /// Answers those that would fail and takes them out of the batch: nothing of them is sent.
    pub(super) async fn leave_out(&mut self, batch: &mut Vec<Member>) -> Result<(), Failure> {
        self.leave_out_burning(batch);
        self.leave_out_sent(batch).await?;
        self.set_apart(batch).await?;
        if batch.is_empty() {
            return Ok(());
        }
        let outcomes = self.simulate(batch).await?;
        if outcomes.iter().all(Result::is_ok) {
            return Ok(());
        }
        let doomed: Vec<(Member, String)> = std::mem::take(batch)
            .into_iter()
            .zip(outcomes)
            .filter_map(|(member, outcome)| match outcome {
                Ok(()) => {
                    batch.push(member);
                    None
                }
                Err(reason) => Some((member, reason)),
            })
            .collect();
        match self.end_of(&doomed).await {
            Ok(answers) => answers.iter().for_each(|(id, settling)| self.answer(id, settling)),
            Err(failure) => {
                batch.extend(doomed.into_iter().map(|(member, _)| member));
                return Err(failure);
            }
        }
        Ok(())
    }

    /// What they are answered, where a transfer that is refused was given up first: another sender of the key may have it.
    async fn end_of(&self, doomed: &[(Member, String)]) -> Result<Vec<(Arc<str>, Settling)>, Failure> {
        let mut answers = self.why(doomed).await?;
        for ((member, _), (id, settling)) in doomed.iter().zip(&mut answers) {
            let Settling::Refused(why) = &*settling else { continue };
            if member.is_transfer() && !self.outbox.give_up(id, why).await? {
                *settling = Settling::Unknown(OTHERWISE.to_owned());
            }
        }
        Ok(answers)
    }

    /// A transfer of our own has no nonce that keeps it from being made twice: the outbox does.
    async fn leave_out_sent(&mut self, batch: &mut Vec<Member>) -> Result<(), Failure> {
        let transfers = batch.iter().filter(|member| member.is_transfer());
        let transfers: Vec<_> = transfers.map(|member| Arc::clone(&member.id)).collect();
        for id in transfers {
            let sent = self.outbox.transfer(&id).await?;
            if sent.is_none() && self.knows_all() {
                continue;
            }
            match sent {
                None => self.answer(&id, &Settling::Unknown(FORGOTTEN.to_owned())),
                Some(Sent::Over(over)) => self.answer(&id, &over.into()),
                Some(Sent::Elsewhere) => self.answer(&id, &Settling::Unknown(ELSEWHERE.to_owned())),
                // Written down, though whoever did heard an error: it is sent as anything that is.
                Some(Sent::Here) => {
                    self.adopt().await?;
                    if !self
                        .flights
                        .iter()
                        .any(|flight| flight.recorded.transfers().any(|other| *other == id))
                    {
                        self.answer(&id, &Settling::Unknown(UNCLEAR.to_owned()));
                    }
                }
            }
            batch.retain(|member| member.id != id);
        }
        Ok(())
    }

    /// The same where somebody else sends by our key meanwhile, as the chain's count of our transactions shows: a transfer that is to be
    /// sent may be among theirs.
    pub(super) async fn leave_out_forgotten(
        &mut self,
        batch: &mut Vec<Member>,
        count: u64,
    ) -> Result<(), Failure> {
        if self.knows_all() && count > self.next_nonce.max(self.settings.first_nonce) {
            self.adopt().await?;
            self.leave_out_sent(batch).await?;
        }
        Ok(())
    }

    /// What a node says of each, if all of them were sent now. One that takes all the gas makes those after it fail as well, without a
    /// word, or all of them: each of these is asked about by itself.
    async fn simulate(&self, members: &[Member]) -> Result<Vec<batch::Outcome>, Failure> {
        if let [member] = members {
            return Ok(vec![self.simulate_alone(member).await?]);
        }
        let all = batch::all(members.iter().map(Member::call));
        let mut outcomes =
            match self.chain.call_with(self.us, all.target, &all.data, batch::gas(members)).await {
                Ok(answer) => batch::outcomes(&answer, members.len()).ok_or(NO_MULTICALL)?,
                Err(failure) if failure.revert().is_some() => {
                    vec![Err(batch::SILENT.to_owned()); members.len()]
                }
                Err(failure) => return Err(failure.into()),
            };
        for (member, outcome) in members.iter().zip(&mut outcomes) {
            if outcome.as_ref().is_err_and(|why| why == batch::SILENT) {
                *outcome = self.simulate_alone(member).await?;
            }
        }
        Ok(outcomes)
    }

    async fn simulate_alone(&self, member: &Member) -> Result<batch::Outcome, Failure> {
        let (call, gas) = (member.call(), batch::gas(std::slice::from_ref(member)));
        let Err(failure) = self.chain.call_with(self.us, call.target, &call.data, gas).await else {
            return Ok(Ok(()));
        };
        Ok(Err(failure.revert().map(str::to_owned).ok_or(failure)?))
    }

    /// What they are answered. Refused is only what nobody has used, and nobody has read in a transaction of ours.
    async fn why(&self, doomed: &[(Member, String)]) -> Result<Vec<(Arc<str>, Settling)>, Failure> {
        let members: Vec<Member> = doomed.iter().map(|(member, _)| member.clone()).collect();
        let ids: Vec<Arc<str>> = members.iter().map(|member| Arc::clone(&member.id)).collect();
        let used = fate::used(&self.chain, self.us, &members, None).await?;
        let mut known = self.outbox.known(&ids).await?;
        known.extend(ids.into_iter().filter(|id| self.failures.contains_key(id)));
        let may_move = |(member, is_used): &(&Member, &bool)| **is_used || known.contains(&member.id);
        let asked: Vec<Member> =
            members.iter().zip(&used).filter(may_move).map(|(member, _)| member.clone()).collect();
        let mut fates = Vec::new();
        if !asked.is_empty() {
            fates = fate::fates(&self.chain, self.us, &asked).await;
        }
        let mut fates = fates.into_iter();
        let answer = |((member, why), is_used): (&(Member, String), bool)| {
            let fate = may_move(&(member, &is_used)).then(|| fates.next()).flatten();
            let settling = match fate {
                None => Settling::Refused(why.clone()),
                Some(Ok(Fate::Moved(transaction))) => Settling::Moved(transaction),
                Some(Ok(Fate::Expired)) => Settling::Refused(TIME_OVER.to_owned()),
                Some(Ok(Fate::Unused)) if !is_used => Settling::Unknown(why.clone()),
                Some(Ok(Fate::Unused | Fate::Unclear)) => Settling::Unknown(UNCLEAR.to_owned()),
                Some(Err(error)) => Settling::Unknown(format!("{UNREAD}: {error}")),
            };
            (Arc::clone(&member.id), settling)
        };
        Ok(doomed.iter().zip(used).map(answer).collect())
    }

    /// Each member's part in a transaction that counts. Where nobody tells which of those that are alike it moved, it may be either.
    async fn shown(
        &self,
        members: &[Member],
        receipt: Option<&Receipt>,
        is_patient: bool,
    ) -> Result<Vec<Shown>, Failure> {
        let Some(receipt) = receipt else { return Ok(vec![Shown::Not; members.len()]) };
        let shown = judge::shown(receipt, members, &vec![true; members.len()], self.us);
        if !shown.contains(&Shown::Either) {
            return Ok(shown);
        }
        match fate::used(&self.chain, self.us, members, Some(receipt.block())).await {
            Ok(used) => Ok(judge::shown(receipt, members, &used, self.us)),
            Err(failure) if is_patient => Err(failure.into()),
            Err(failure) => {
                warn!(transaction = %receipt.transaction_hash, %failure, "which of some payments it moved cannot be read");
                Ok(shown)
            }
        }
    }

    /// Closes a transaction: one of ours that counts, or none of ours, since another of its nonce does. Whoever is patient comes again where
    /// nodes do not tell what became of a member; else nobody knows it, and no other waits for that.
    pub(super) async fn finish(
        &mut self,
        recorded: &Recorded,
        receipt: Option<&Receipt>,
        is_patient: bool,
    ) -> Result<(), Failure> {
        let members = &recorded.members;
        let shown = self.shown(members, receipt, is_patient).await?;
        let rest: Vec<Member> = members
            .iter()
            .zip(&shown)
            .filter(|(_, shown)| **shown == Shown::Not)
            .map(|(member, _)| member.clone())
            .collect();
        let mut fates = Vec::new();
        if !rest.is_empty() {
            fates = fate::fates(&self.chain, self.us, &rest).await;
        }
        if let Some(Err(failure)) = fates.iter().find(|fate| fate.is_err()) {
            if is_patient {
                return Err(failure.clone().into());
            }
            warn!(nonce = recorded.nonce, %failure, "what became of some payments cannot be read");
        }
        let mut fates = fates.into_iter();
        let (mut outcomes, mut again) = (Vec::new(), Vec::new());
        for (member, shown) in members.iter().zip(shown) {
            let settling = match (shown, receipt) {
                (Shown::Moved, Some(receipt)) => Some(Settling::Moved(receipt.transaction_hash)),
                (Shown::Not, _) => {
                    let is_alone = members.len() == 1;
                    let fate = fates.next().and_then(Result::ok);
                    self.after(member, is_alone, fate, receipt.is_some())
                }
                _ => Some(Settling::Unknown(UNCLEAR.to_owned())),
            };
            match settling {
                Some(settling) => outcomes.push((Arc::clone(&member.id), settling)),
                None => again.push(member.clone()),
            }
        }
        let landed = receipt.map(|receipt| Landed {
            transaction: receipt.transaction_hash,
            block: receipt.block(),
            gas: receipt.gas_used(),
        });
        let closed = self.outbox.close(recorded, landed, &outcomes).await;
        self.is_unsure |= closed.is_err();
        closed?;
        outcomes.iter().for_each(|(id, settling)| self.answer(id, settling));
        for member in again {
            *self.failures.entry(Arc::clone(&member.id)).or_default() += 1;
            self.queue.push_back(member);
        }
        Ok(())
    }

    /// What a member is answered that a transaction of ours did not move, where its fate was read; none where it is to be tried again.
    fn after(
        &mut self,
        member: &Member,
        is_alone: bool,
        fate: Option<Fate>,
        has_landed: bool,
    ) -> Option<Settling> {
        let failures = self.failures.get(&member.id).copied().unwrap_or(0);
        // Whatever its call ran, it was not another's that took the gas. A plain key may have spent its money in between: it is tried again first.
        let is_last = failures + 1 >= TRIES;
        let is_to_blame = has_landed && (member.runs_code() || (is_alone && is_last));
        if fate == Some(Fate::Unused) && is_to_blame {
            self.burning.note(member);
        }
        match (fate, &member.order) {
            (_, Order::Payout { .. }) if has_landed => Some(Settling::Refused(REVERTED.to_owned())),
            // Nodes that do not agree show the same: whether it is sent again, a person decides.
            (_, Order::Payout { .. }) => Some(Settling::Refused(PASSED.to_owned())),
            (None, _) => Some(Settling::Unknown(UNREAD.to_owned())),
            (Some(Fate::Moved(transaction)), _) => Some(Settling::Moved(transaction)),
            (Some(Fate::Expired), _) => Some(Settling::Refused(TIME_OVER.to_owned())),
            (Some(Fate::Unclear), _) => Some(Settling::Unknown(UNCLEAR.to_owned())),
            (Some(Fate::Unused), _) if is_to_blame => Some(Settling::Unknown(FAILED_ALONE.to_owned())),
            (Some(Fate::Unused), _) if failures + 1 < TRIES => None,
            (Some(Fate::Unused), _) => {
                Some(Settling::Unknown("its call failed in several transactions".to_owned()))
            }
        }
    }
}
