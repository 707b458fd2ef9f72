//! [`Line`]: one network of the rail: its nodes, and who settles there.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{Address, Amount, Clock, Network, PaymentId, Token};
use parking_lot::Mutex;
use protocol::X402_VERSION;

use super::breaker::Breaker;
use super::contract_signatures::{ContractSignature, ContractSignatures, Validity};
use super::funds::{Funds, Purse};
use super::head::Head;
use super::observer::RailObserver;
use super::pool::{Heard, Pool, Question, Queue};
use super::settlers::Settlers;
use super::{RailError, Settling, Watched, units};
use crate::chain::{Block, Chain, Depth, Evidence, RpcError, Standing};
use crate::evm::{EvmSettler, Member, PATIENCE};
use crate::facilitator::Shown;
use crate::signed::Signed;

/// How often a settlement is looked for whose facilitator says that it did not make it, and whose nonce is not used: it has hardly lied.
const LOOKS_AFTER_A_REFUSAL: u32 = 2;

/// No block was read yet.
const NO_BLOCK: u64 = u64::MAX;

/// Who moves value there.
pub enum Settler {
    /// Somebody else.
    Facilitators(Pool),
    /// We do.
    Evm(EvmSettler),
}

/// A network that payments are taken on.
pub struct Line {
    pub(super) network: Network,
    chain: Arc<Chain>,
    settler: Settler,
    /// For how long the chain is looked at for a settlement that it does not show yet, and the first pause between two looks.
    looks: (Duration, Duration),
    /// The last block of all, and the last that counts.
    heads: (Head, Head),
    nodes: Mutex<Breaker>,
    last_block: AtomicU64,
    settlers: Mutex<Settlers>,
    contract_signatures: ContractSignatures,
}

// === impl Line ===

impl Line {
    /// A settlement that the chain does not show is looked for after a `pause`, and after ever longer ones, for `patience` in all; then it
    /// is unknown.
    #[must_use]
    pub fn new(
        network: Network,
        chain: Arc<Chain>,
        settler: Settler,
        (patience, pause): (Duration, Duration),
    ) -> Self {
        let looks = (patience, pause);
        let heads = (Head::of(Depth::Last), Head::of(Depth::Counts));
        let (nodes, last_block) = (Mutex::new(Breaker::default()), AtomicU64::new(NO_BLOCK));
        let settlers = Mutex::new(match &settler {
            Settler::Evm(settler) => [settler.address()].into(),
            Settler::Facilitators(_) => Settlers::default(),
        });
        let contract_signatures = ContractSignatures::new(NonZeroU32::MIN);
        Self { network, chain, settler, looks, heads, nodes, last_block, settlers, contract_signatures }
    }

    /// So many clients may stand behind an address that asks about signatures.
    #[must_use]
    pub fn behind_each_address(self, clients: NonZeroU32) -> Self {
        Self { contract_signatures: ContractSignatures::new(clients), ..self }
    }

    pub(super) const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    pub(super) fn last_block(&self) -> Option<u64> {
        Some(self.last_block.load(Ordering::Relaxed)).filter(|block| *block != NO_BLOCK)
    }

    /// The last block of all, as far as the last look and the confirmations tell.
    pub(super) fn head(&self) -> Option<u64> {
        self.last_block()?.checked_add(self.chain.confirmations())
    }

    pub(super) async fn refresh(&self, clock: &dyn Clock, observer: &dyn RailObserver) {
        if let Settler::Evm(settler) = &self.settler {
            observer.settler(&self.network.id, settler.is_available(), settler.unable());
        }
        let read = self.chain.settled_block().await;
        if let Ok(block) = self.note(read, Watched { clock, observer }) {
            self.last_block.store(block.number, Ordering::Relaxed);
        }
    }

    /// Who may settle payments of `upto` here, as far as is known.
    pub(super) fn settlers(&self) -> Settlers {
        Arc::clone(&self.settlers.lock())
    }

    /// Asks who may, where somebody else knows. Whether it has changed.
    pub(super) async fn learn(&self, clock: &dyn Clock) -> bool {
        let Settler::Facilitators(pool) = &self.settler else { return false };
        if !self.network.tokens.iter().any(Token::takes_permits) {
            return false;
        }
        pool.learn(&self.network.id, clock).await;
        let (settlers, mut known) = (pool.settlers(clock), self.settlers.lock());
        let has_changed = **known != *settlers;
        if has_changed {
            *known = settlers.into();
        }
        has_changed
    }

    pub(super) fn ready(&self, payer: Address, clock: &dyn Clock) -> Result<(), RailError> {
        if self.nodes.lock().is_open(clock.now()) {
            return Err(RailError::NodesLeftAlone);
        }
        match &self.settler {
            Settler::Facilitators(pool) if !pool.is_available(payer.into(), clock) => Err(RailError::Settler),
            Settler::Evm(settler) if !settler.is_available() => Err(RailError::Settler),
            Settler::Facilitators(_) | Settler::Evm(_) => Ok(()),
        }
    }

    pub(super) async fn funds(&self, purse: &Purse, watched: Watched<'_>) -> Result<Funds, RailError> {
        let Purse { token, payer, .. } = *purse;
        if !self.nodes.lock().admits(watched.clock.now()) {
            return Err(RailError::NodesLeftAlone);
        }
        let balance = self.chain.balance(token, payer);
        if !purse.by_permit {
            let balance = self.note(balance.await, watched)?;
            return Ok(Funds { balance, allowance: None });
        }
        let (balance, allowance) = tokio::join!(balance, self.chain.allowance(token, payer));
        let (balance, allowance) = (self.note(balance, watched)?, self.note(allowance, watched)?);
        Ok(Funds { balance, allowance: Some(allowance) })
    }

    /// Whether a payer is a contract that has signed.
    pub(super) async fn validate(
        &self,
        signature: &ContractSignature<'_>,
        watched: Watched<'_>,
    ) -> Result<Validity, RailError> {
        let ask = async {
            if !self.nodes.lock().admits(watched.clock.now()) {
                return Err(RailError::NodesLeftAlone);
            }
            let standing = self.chain.standing(signature.payer, signature.digest, signature.seal).await;
            Ok(match self.note(standing, watched)? {
                Standing::Signed => Validity::Signed,
                Standing::Unmade(making) if self.makes(making.factory) => Validity::Signed,
                Standing::Unmade(making) => Validity::Undeployed(making.factory),
                Standing::Not => Validity::NotSigned,
                Standing::Nobody => Validity::NoContract,
            })
        };
        self.contract_signatures.get(signature, watched.clock, ask).await
    }

    /// Whether contracts of a factory are made here when they pay first. What facilitators do, they say when they verify.
    fn makes(&self, factory: Address) -> bool {
        match &self.settler {
            Settler::Facilitators(_) => true,
            Settler::Evm(settler) => settler.factories().contains(&factory),
        }
    }

    /// Has it settled, by whoever settles here, and believes the chain.
    pub(super) async fn settle(
        &self,
        payment: PaymentId,
        signed: &Signed,
        amount: Amount,
        watched: Watched<'_>,
        queue: Queue,
    ) -> Settling {
        let Some(requirements) = signed.requirements(amount) else {
            return Settling::Refused("amount".to_owned());
        };
        match &self.settler {
            Settler::Facilitators(pool) => {
                let (version, payment, payer) =
                    (X402_VERSION, &signed.payment(), Some(signed.payer().into()));
                let terms = signed.terms();
                let question = Question {
                    signed: Shown { version, payment, requirements: &terms, payer },
                    settled: Shown { version, payment, requirements: &requirements, payer },
                    named: signed.facilitator(),
                };
                let heard = pool.settle(question, queue, watched).await;
                self.heard(signed, amount, heard).await
            }
            Settler::Evm(settler) => self.by_ourselves(settler, payment, signed, amount).await,
        }
    }

    async fn heard(&self, signed: &Signed, amount: Amount, heard: Heard) -> Settling {
        let is_refused = matches!(heard, Heard::Refused(_));
        let (named, said) = match heard {
            Heard::Nobody(why) => return Settling::Unavailable(why),
            Heard::Invalid(reason) => return self.refused(signed, reason).await,
            // Whoever was asked to settle it holds the signature, and may have sent it before it said no: its word alone must not
            // have the payer sign another one.
            Heard::Refused(reason) => (None, reason),
            Heard::Moved(transaction) => {
                (Some(transaction), "the chain does not show the settlement yet".to_owned())
            }
            Heard::Unknown(unknown) => (None, unknown.to_string()),
        };
        let settling = self.seen(signed, amount, said, is_refused).await;
        if let (Some(named), Settling::Moved(seen) | Settling::Shown(seen)) = (named, &settling)
            && named != seen.to_string()
        {
            tracing::warn!(network = %self.network.id, named, %seen, "the facilitator named another transaction");
        }
        settling
    }

    async fn by_ourselves(
        &self,
        settler: &EvmSettler,
        payment: PaymentId,
        signed: &Signed,
        amount: Amount,
    ) -> Settling {
        let Some(proof) = signed.proof().map(|proof| proof.made_by(settler.factories())) else {
            return Settling::Refused("unsupported_signature".to_owned());
        };
        let (id, since_block) = (payment.to_string().into(), signed.since_block);
        let member = Member::payment(id, signed.token, *signed.transfer(), units(amount), proof, since_block);
        let settled = tokio::time::timeout(PATIENCE, settler.settle(member, Depth::Last)).await;
        settled.unwrap_or_else(|_| Settling::Unknown("no block shows it yet".to_owned()))
    }

    /// What the last blocks show of it, looked for again and again: not for long where it was refused.
    async fn seen(&self, signed: &Signed, amount: Amount, mut said: String, is_refused: bool) -> Settling {
        let is_final = self.chain.is_final_at_once();
        let (mut pauses, mut unused) = (pauses(self.looks), 0);
        loop {
            match self.evidence(signed, amount, Depth::Last).await {
                // The books take what the chain shows, once it counts: nobody is told of another amount before.
                Ok(Evidence::Moved { value, .. }) if value != units(amount) => {
                    return Settling::Unknown(format!("{value} units have moved, and not {amount}"));
                }
                Ok(Evidence::Moved { transaction, .. }) if is_final => return Settling::Moved(transaction),
                Ok(Evidence::Moved { transaction, .. }) => return Settling::Shown(transaction),
                // A node that lags behind another shows the same for a moment.
                Ok(Evidence::Void) => "the nonce is used, and no transfer is shown".clone_into(&mut said),
                Ok(Evidence::Unused { at }) if is_final && at >= signed.valid_before() => {
                    return Settling::Refused("expired".to_owned());
                }
                Ok(Evidence::Unused { .. }) => {
                    unused += 1;
                    if is_refused && unused >= LOOKS_AFTER_A_REFUSAL {
                        break;
                    }
                }
                Err(error) => said = error.to_string(),
            }
            let Some(pause) = pauses.next() else { break };
            tokio::time::sleep(pause).await;
        }
        Settling::Unknown(said)
    }

    /// The last block of all.
    pub(super) async fn last(&self) -> Result<Block, RpcError> {
        self.heads.0.get(&self.chain).await
    }

    /// What became of a payment of which so much was asked for, by the chain alone.
    pub(super) async fn evidence(
        &self,
        signed: &Signed,
        amount: Amount,
        depth: Depth,
    ) -> Result<Evidence, RpcError> {
        let until = match depth {
            Depth::Last => self.last().await?,
            Depth::Counts => self.heads.1.get(&self.chain).await?,
        };
        self.chain.look_until(signed.sought(amount), signed.since_block, until).await
    }

    /// Whether the nonce of a payment is used, however shallow.
    pub(super) async fn is_used(&self, signed: &Signed) -> Result<bool, RpcError> {
        self.chain.is_used(signed.token, signed.transfer()).await
    }

    /// That a payment whose nonce is used is invalid says nothing, and neither does it where nobody can look after it: it may have
    /// been settled before.
    async fn refused(&self, signed: &Signed, reason: String) -> Settling {
        match self.is_used(signed).await {
            Ok(false) => Settling::Refused(reason),
            Ok(true) => Settling::Unknown(reason),
            Err(error) => Settling::Unknown(format!("{reason}; {error}")),
        }
    }

    fn note<T>(
        &self,
        read: Result<T, RpcError>,
        Watched { clock, observer }: Watched<'_>,
    ) -> Result<T, RailError> {
        let mut nodes = self.nodes.lock();
        let changed = if read.is_ok() { nodes.succeeded() } else { nodes.failed(clock.now()) };
        drop(nodes);
        if changed {
            observer.nodes(&self.network.id, read.is_ok());
            let network = &self.network.id;
            match &read {
                Ok(_) => tracing::info!(%network, "a node answers again"),
                Err(error) => {
                    tracing::warn!(%network, %error, "no node answers; payments there are refused until one does")
                }
            }
        }
        Ok(read?)
    }
}

/// Each half as long again as the one before: what is not shown at once takes long, and nodes have others to answer.
fn pauses((patience, first): (Duration, Duration)) -> impl Iterator<Item = Duration> {
    let (mut left, mut next) = (patience, first);
    std::iter::from_fn(move || {
        let pause = next.min(left);
        left = left.saturating_sub(pause);
        next = next.saturating_add(next / 2);
        (!pause.is_zero()).then_some(pause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settlement_is_looked_for_ever_less_often_for_as_long_as_anybody_waits() {
        let (patience, first) = (Duration::from_secs(20), Duration::from_millis(250));
        let all: Vec<Duration> = pauses((patience, first)).collect();
        assert_eq!((all[0], all[1]), (first, Duration::from_millis(375)));
        assert_eq!((all.len(), all.iter().sum()), (10, patience));
        assert_eq!(pauses((Duration::ZERO, first)).count(), 0);
    }
}
