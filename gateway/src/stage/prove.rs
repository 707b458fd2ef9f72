//! Prove: a payment that no key has signed for its payer is shown to the payer's contract, before anything is told of it or held for it.
//! The one stage before the hold that may wait for a network; how often one is asked is bounded by [`settlement::rail`].

use std::net::IpAddr;

use domain::{Address, B256};
use protocol::payload::Malformed;
use protocol::seal::Seal;
use settlement::rail::{ContractSignature, Validity};

use crate::answer::refusal::{Refusal, Unpaid};
use crate::rail::Public;
use crate::rate::Consumer;
use crate::stage::verify::{Claim, Claimant, Unproven};

/// A claim whose payment is its payer's. One that no key has signed is judged `again`, with what a contract was found to have signed.
pub(crate) async fn prove(
    claim: Claim,
    public: Option<&Public>,
    client: Consumer,
    again: impl FnOnce(B256) -> Result<Claim, Refusal>,
) -> Result<Claim, Refusal> {
    match claim.claimant {
        Claimant::Unproven(unproven) => again(found(*unproven, public, client.address()).await?),
        claimant => Ok(Claim { claimant, ..claim }),
    }
}

/// What the payer's contract has signed, of what it may have.
async fn found(unproven: Unproven, public: Option<&Public>, client: Option<IpAddr>) -> Result<B256, Refusal> {
    let Unproven { payer, seal, digests, refusal } = unproven;
    let rail = &public.ok_or(Refusal::SettlementUnavailable)?.networks.rail;
    for (network, digest) in digests {
        let signature = ContractSignature { network: &network, payer, digest, seal: &seal, client };
        match rail.validate(signature).await.map_err(|_| Refusal::SettlementUnavailable)? {
            Validity::Signed => return Ok(digest),
            Validity::NotSigned => {}
            Validity::NoContract => return Err(of_key(&seal, refusal)),
            Validity::Undeployed(factory) => {
                return Err(Refusal::PaymentRequired(unmade(&factory, &network)));
            }
        }
    }
    Err(refusal)
}

/// There is no contract, so that it must be a key's.
fn of_key(seal: &Seal, refusal: Refusal) -> Refusal {
    match seal.key() {
        Ok(_) => refusal,
        Err(error) => Refusal::MalformedPayment(Malformed::Signature(error).to_string()),
    }
}

fn unmade(factory: &Address, network: &str) -> Unpaid {
    Unpaid::Rejected {
        code: "invalid_exact_evm_payload_undeployed_smart_wallet",
        message: format!(
            "the payer's wallet is no contract yet, and wallets of {} are not deployed from here: deploy it on {network} and pay again",
            factory.to_checksum(None)
        ),
    }
}
