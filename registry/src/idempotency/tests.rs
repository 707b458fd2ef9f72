use super::*;
use crate::registry::tests::{Place, TestClock, open};

const CALL: Call = Call { key: [1; 32], request: [2; 32] };

#[tokio::test]
async fn a_word_stands_for_one_request_and_its_answer_for_a_day() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::First);
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::Running);
    assert_eq!(registry.claim_call(Call { request: [3; 32], ..CALL }).await.unwrap(), Claimed::Other);
    let answer = Answer { status: 201, body: Some(b"{}".to_vec()) };
    registry.answer_call(CALL, Some(&answer)).await.unwrap();
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::Answered(answer.clone()));
    clock.advance(KEPT_MS);
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::Answered(answer));
    clock.advance(1);
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::First);
}

#[tokio::test]
async fn a_call_that_came_to_nothing_frees_its_word_and_so_does_one_whose_process_ended() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    registry.claim_call(CALL).await.unwrap();
    registry.answer_call(CALL, None).await.unwrap();
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::First);
    clock.advance(RUNNING_MS_MAX);
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::First);
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::Running);
}

#[tokio::test]
async fn a_call_forgets_some_old_ones_and_what_is_left_of_them_stands_for_nothing() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let named = |number: u32| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        Call { key, ..CALL }
    };
    let answer = Answer { status: 201, body: Some(b"{}".to_vec()) };
    for number in 0..3 * FORGOTTEN_AT_ONCE {
        registry.claim_call(named(number)).await.unwrap();
        registry.answer_call(named(number), Some(&answer)).await.unwrap();
    }
    clock.advance(KEPT_MS + 1);
    let left = async || {
        let mut transaction = registry.begin().await.unwrap();
        let mut left = Vec::new();
        for number in 0..3 * FORGOTTEN_AT_ONCE {
            left.extend(
                store::find(&mut transaction.session(), &named(number).key).await.unwrap().map(|_| number),
            );
        }
        left
    };
    assert_eq!(registry.claim_call(CALL).await.unwrap(), Claimed::First);
    let old = left().await;
    assert_eq!(old.len(), 2 * FORGOTTEN_AT_ONCE as usize);
    // Also for another request.
    let again = Call { request: [9; 32], ..named(old[old.len() - 1]) };
    assert_eq!(registry.claim_call(again).await.unwrap(), Claimed::First);
    assert_eq!(registry.claim_call(again).await.unwrap(), Claimed::Running);
    registry.answer_call(again, None).await.unwrap();
    assert!(left().await.is_empty(), "the one that ran was let go of, its old answer too");
}

#[tokio::test]
async fn no_body_and_an_empty_one_are_told_apart() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    for (key, body) in [([4; 32], None), ([5; 32], Some(Vec::new()))] {
        let call = Call { key, ..CALL };
        registry.claim_call(call).await.unwrap();
        let answer = Answer { status: 204, body };
        registry.answer_call(call, Some(&answer)).await.unwrap();
        assert_eq!(registry.claim_call(call).await.unwrap(), Claimed::Answered(answer));
    }
}
