//! Our own settler on a network: this process's part of it, and what is asked of all processes that share the books together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ledger::Ledger;
use protocol::signature::SigningKey;
use registry::Registry;
use registry::config::network::{EvmSettings, NetworkSettings};
use settlement::chain::Chain;
use settlement::evm::{EvmSettler, Settings};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::service::duty::turn;
use crate::service::errands::RegistryErrands;
use crate::service::outbox::RegistryOutbox;

/// How often a chain is looked at while our transaction is on its way.
const POLL: Duration = Duration::from_millis(200);

/// Starts it. Payments are asked of the first one; the second one is this process's own, which sends while it has the key's turn.
///
/// # Errors
/// A key that cannot be used, or a system that gives no random bytes.
pub(super) fn start(
    network: &NetworkSettings,
    evm: &EvmSettings,
    chain: &Arc<Chain>,
    ledger: &Ledger,
    registry: &Registry,
    stop: &watch::Sender<bool>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> anyhow::Result<(EvmSettler, EvmSettler)> {
    let key = SigningKey::from_hex(evm.key.expose()).context("networks.evm.key cannot be used")?;
    let token = network.network.tokens.first().context("the network has no token")?;
    let settings = Settings {
        chain_id: token.asset.chain_id,
        fee_cap: evm.max_fee_per_gas,
        bump_after: evm.bump_after,
        poll: POLL,
        gather: evm.batch_interval,
        factories: evm.factories.clone().into(),
        first_nonce: evm.first_nonce,
    };
    let (id, account) = (&*network.network.id, key.address().to_checksum(None));
    let (outbox, chain) = (registry.outbox(id, &account), Arc::clone(chain));
    if !ledger.is_one_of_several() {
        let (settler, task) = EvmSettler::new(settings, key, chain, RegistryOutbox::new(outbox));
        tasks.push(tokio::spawn(task.run(stop.subscribe())));
        return Ok((settler.clone(), settler));
    }
    let duty = registry.duty(format!("settle {id} {account}"))?;
    let outbox = RegistryOutbox::new(outbox.of_turn(duty.clone()));
    let errands = RegistryErrands::new(registry.errands(id, &account).of_turn(duty.clone()));
    let (own, task) = EvmSettler::new(settings, key, chain, outbox);
    tasks.push(tokio::spawn(task.on_duty(turn(duty)).run(stop.subscribe())));
    let (all, messenger) = own.among_several(errands);
    tasks.push(tokio::spawn(messenger.run(stop.subscribe())));
    Ok((all, own))
}
