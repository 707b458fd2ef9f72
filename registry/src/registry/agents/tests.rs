use domain::{Address, Amount, SpendingPolicy};

use crate::RegistryError;
use crate::agent::{Agent, SIGNERS_MAX};
use crate::journal::Filter;
use crate::registry::keys::tests::agent;
use crate::registry::tests::{OPERATOR, Place, TestClock, open};

#[tokio::test]
async fn so_many_addresses_sign_for_one_agent() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let agent = agent(&registry).await;
    let address = |number: u32| Address::left_padding_from(&number.to_be_bytes());
    for number in 0..SIGNERS_MAX {
        registry.add_signer(&OPERATOR, agent, address(number)).await.unwrap();
    }
    let more = registry.add_signer(&OPERATOR, agent, address(SIGNERS_MAX)).await;
    assert!(matches!(more, Err(RegistryError::TooMany("signers of this agent", SIGNERS_MAX))));
    // Again is no error, and one that goes makes room.
    registry.add_signer(&OPERATOR, agent, address(0)).await.unwrap();
    registry.remove_signer(&OPERATOR, agent, address(0)).await.unwrap();
    registry.add_signer(&OPERATOR, agent, address(SIGNERS_MAX)).await.unwrap();
}

#[tokio::test]
async fn a_policy_that_changes_nothing_is_not_written_down() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let agent = agent(&registry).await;
    let policy = SpendingPolicy { per_day: Amount::from_atomic(9), ..SpendingPolicy::default() };
    let set = async || registry.set_policy(&OPERATOR, agent, |_: &Agent| true, &policy).await.unwrap();
    set().await;
    let written = registry.changes(None, 100, &Filter::default()).await.unwrap().len();
    assert_eq!(set().await.policy, policy);
    let now = registry.changes(None, 100, &Filter::default()).await.unwrap();
    assert_eq!(now.len(), written);
    assert_eq!(now[0].action, "policy.updated");
}
