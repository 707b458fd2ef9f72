use std::time::Duration;

use domain::{Address, Amount, Asset};
use reqwest::header::HeaderValue;
use serde_json::json;

use super::*;
use crate::mock::{Act, Mock};

const TRANSACTION: &str = "0x730522cc269d9dc866a72da41b419a23da8522fc08f3006d27a93d09357f7f15";

fn payer() -> Address {
    Address::repeat_byte(3)
}

fn offer() -> Offer {
    let asset = Asset {
        network: "eip155:84532".into(),
        chain_id: 84_532,
        address: Address::repeat_byte(1),
        name: "USDC".into(),
        version: "2".into(),
    };
    Offer::wallet(&asset, Address::repeat_byte(2), Amount::from_atomic(1000).unwrap(), None)
}

/// A facilitator and a client that waits only as long as a test may.
async fn client() -> (Mock, Facilitator) {
    // Fails where another test was faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mock = Mock::start().await;
    let mut headers = Headers::default();
    for (fields, token) in [
        (&mut headers.verify, "for verify"),
        (&mut headers.settle, "for settle"),
        (&mut headers.supported, "for supported"),
    ] {
        fields.insert("authorization", HeaderValue::from_static(token));
    }
    let configuration = Configuration {
        url: format!("{}/", mock.url),
        headers,
        verify_timeout: Duration::from_millis(200),
        settle_timeout: Duration::from_millis(200),
    };
    (mock, Facilitator::new(configuration).unwrap())
}

async fn settled(act: Act) -> Result<Settled, Unknown> {
    let (mock, facilitator) = client().await;
    mock.does(act);
    let (payment, requirements) = (json!({"x402Version": 2}), offer());
    facilitator
        .settle(Shown {
            version: 2,
            payment: &payment,
            requirements: &requirements,
            payer: Some(payer().into()),
        })
        .await
}

async fn answered(status: u16, body: serde_json::Value) -> Result<Settled, Unknown> {
    settled(Act::Answer(status, body.to_string())).await
}

fn success() -> serde_json::Value {
    json!({"success": true, "payer": payer().to_string().to_lowercase(), "transaction": TRANSACTION, "network": "eip155:84532"})
}

#[tokio::test]
async fn a_facilitator_is_asked_with_our_terms_and_with_the_fields_of_each_call() {
    let (mock, facilitator) = client().await;
    let (payment, requirements) = (json!({"x402Version": 1, "anything": [1]}), offer());
    let shown =
        Shown { version: 1, payment: &payment, requirements: &requirements, payer: Some(payer().into()) };
    mock.does(Act::Answer(200, json!({"isValid": true, "payer": payer().to_string()}).to_string()));
    assert_eq!(facilitator.verify(shown).await, Ok(Verified::Valid));
    mock.does(Act::Answer(200, success().to_string()));
    assert_eq!(facilitator.settle(shown).await, Ok(Settled::Moved { transaction: TRANSACTION.to_owned() }));
    let kinds = json!({"kinds": [{"x402Version": 2, "scheme": "upto", "network": "eip155:84532",
        "extra": {"facilitatorAddress": payer().to_string()}}], "extensions": [], "signers": {"eip155:*": []}});
    mock.does(Act::Answer(200, kinds.to_string()));
    let supported = facilitator.supported().await.unwrap();
    assert_eq!((supported.kinds.len(), &*supported.kinds[0].scheme), (1, "upto"));
    let calls = mock.calls();
    for (call, name) in calls.iter().zip(["verify", "settle", "supported"]) {
        assert!(call.head.contains(&format!(" /{name} http/1.1")), "{}", call.head);
        assert!(call.head.contains(&format!("authorization: for {name}")), "{}", call.head);
    }
    let asked = json!({"x402Version": 1, "paymentPayload": payment, "paymentRequirements": requirements});
    assert_eq!((calls[0].body.as_ref(), calls[1].body.as_ref()), (Some(&asked), Some(&asked)));
}

#[tokio::test]
async fn a_refusal_is_one_where_nothing_can_have_moved() {
    let refused = |reason: &str| json!({"success": false, "errorReason": reason, "transaction": "", "network": "eip155:84532"});
    for status in [200, 400, 402] {
        let reason = "insufficient_funds".to_owned();
        assert_eq!(answered(status, refused(&reason)).await, Ok(Settled::Refused(reason)), "{status}");
    }
    assert_eq!(
        answered(200, json!({"success": false})).await,
        Ok(Settled::Refused("unspecified".to_owned()))
    );
    for reason in ["nonce_already_used", "settlement_pending", "duplicate_settlement"] {
        assert_eq!(
            answered(200, refused(reason)).await,
            Err(Unknown::Undecided(reason.to_owned())),
            "{reason}"
        );
    }
    let mut sent = refused("invalid_exact_evm_transaction_failed_later");
    sent["transaction"] = json!(TRANSACTION);
    assert!(matches!(answered(200, sent).await, Err(Unknown::Undecided(_))));
}

#[tokio::test]
async fn a_server_that_failed_has_refused_nothing() {
    let refused = json!({"success": false, "errorReason": "insufficient_funds", "transaction": ""});
    assert!(matches!(answered(500, refused).await, Err(Unknown::Undecided(_))));
    assert_eq!(settled(Act::Answer(502, "<html>".to_owned())).await, Err(Unknown::Malformed { status: 502 }));
    assert_eq!(answered(503, success()).await, Err(Unknown::Malformed { status: 503 }));
}

#[tokio::test]
async fn an_answer_that_is_late_or_lost_is_unknown_and_not_refused() {
    assert_eq!(settled(Act::Hang).await, Err(Unknown::Timeout));
    assert_eq!(settled(Act::Reset).await, Err(Unknown::Broken));
    assert_eq!(settled(Act::Cut(200, success().to_string())).await, Err(Unknown::Broken));
    for unknown in [Unknown::Timeout, Unknown::Broken] {
        assert!(!unknown.was_not_asked());
    }
}

#[tokio::test]
async fn a_facilitator_that_is_not_there_was_not_asked() {
    let (mock, facilitator) = client().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gone = Facilitator::new(Configuration { url, ..facilitator.configuration }).unwrap();
    let (payment, requirements) = (json!({}), offer());
    let shown =
        Shown { version: 2, payment: &payment, requirements: &requirements, payer: Some(payer().into()) };
    let unknown = gone.settle(shown).await.unwrap_err();
    assert_eq!((&unknown, unknown.was_not_asked()), (&Unknown::Unreachable, true));
    assert!(mock.calls().is_empty());
}

#[tokio::test]
async fn an_answer_about_another_payment_is_none_about_this_one() {
    let other = |field: &str, value: &str| {
        let mut answer = success();
        answer[field] = json!(value);
        answered(200, answer)
    };
    let somebody = Address::repeat_byte(9).to_string();
    assert_eq!(other("payer", &somebody).await, Err(Unknown::Other("payer")));
    assert_eq!(other("payer", "nobody").await, Err(Unknown::Other("payer")));
    assert_eq!(other("network", "eip155:8453").await, Err(Unknown::Other("network")));
    assert_eq!(other("amount", "999").await, Err(Unknown::Other("amount")));
    for transaction in ["", "0x", "pending"] {
        assert_eq!(
            other("transaction", transaction).await,
            Err(Unknown::Other("transaction")),
            "{transaction}"
        );
    }
    // What is left out differs in nothing; v1 has another name for the network.
    let moved = Ok(Settled::Moved { transaction: TRANSACTION.to_owned() });
    assert_eq!(
        answered(200, json!({"success": true, "transaction": TRANSACTION, "payer": null})).await,
        moved
    );
    assert_eq!(other("network", "base-sepolia").await, moved);
    assert_eq!(other("amount", "1000").await, moved);
}

#[tokio::test]
async fn d12_what_is_huge_deep_or_no_answer_is_unknown() {
    let huge = format!("{{\"success\":true,\"x\":\"{}\"}}", "a".repeat(ANSWER_BYTES_MAX));
    assert_eq!(settled(Act::Answer(200, huge)).await, Err(Unknown::TooLong));
    let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{{\"success\":true,\"transaction\":{nested}}}");
    for body in [deep, String::new(), "null".to_owned(), "[]".to_owned(), "{\"success\":\"yes\"}".to_owned()]
    {
        assert_eq!(settled(Act::Answer(200, body)).await, Err(Unknown::Malformed { status: 200 }));
    }
    // Depth in what is ignored costs nothing.
    let ignored = format!("{{\"success\":true,\"x\":{nested}}}");
    assert_eq!(settled(Act::Answer(200, ignored)).await, Err(Unknown::Other("transaction")));
}

#[tokio::test]
async fn what_opens_a_facilitator_follows_no_redirect() {
    let (elsewhere, _) = client().await;
    assert_eq!(
        settled(Act::Redirect(format!("{}/settle", elsewhere.url))).await,
        Err(Unknown::Malformed { status: 307 })
    );
    assert!(elsewhere.calls().is_empty());
}

#[tokio::test]
async fn a_verdict_is_the_facilitators_code_or_none() {
    let (mock, facilitator) = client().await;
    let (payment, requirements) = (json!({}), offer());
    let shown =
        Shown { version: 2, payment: &payment, requirements: &requirements, payer: Some(payer().into()) };
    let invalid = json!({"isValid": false, "invalidReason": "insufficient_funds", "payer": null});
    mock.does(Act::Answer(400, invalid.to_string()));
    assert_eq!(facilitator.verify(shown).await, Ok(Verified::Invalid("insufficient_funds".to_owned())));
    let swapped = json!({"isValid": true, "payer": Address::repeat_byte(9).to_string()});
    mock.does(Act::Answer(200, swapped.to_string()));
    assert_eq!(facilitator.verify(shown).await, Err(Unknown::Other("payer")));
    mock.does(Act::Hang);
    assert_eq!(facilitator.verify(shown).await, Err(Unknown::Timeout));
}

/// What is asked for on a network that is not read here.
fn unread() -> Offer {
    let names = ("solana:devnet", "mint", "own");
    Offer::foreign(names, Amount::from_atomic(1000).unwrap(), 60, (&serde_json::Map::new(), "quote"))
}

#[tokio::test]
async fn where_nothing_is_read_no_refusal_to_settle_tells_that_nothing_was_sent() {
    let (mock, facilitator) = client().await;
    let (payment, requirements) = (json!({"x402Version": 2}), unread());
    let shown = Shown { version: 2, payment: &payment, requirements: &requirements, payer: None };
    // Some of these come after it was sent, or mean that it landed: from Go, from hosted ones, from a repeated question.
    for reason in [
        "invalid_exact_solana_transaction_confirmation_failed",
        "invalid_exact_svm_payload_transaction_simulation_failed",
        "invalid_exact_svm_transaction_failed",
        "insufficient_funds",
        "duplicate_settlement",
        "new_code",
    ] {
        let answer =
            json!({"success": false, "errorReason": reason, "transaction": "", "network": "solana:devnet"});
        mock.does(Act::Answer(400, answer.to_string()));
        assert_eq!(facilitator.settle(shown).await, Err(Unknown::Undecided(reason.to_owned())));
    }
}

#[tokio::test]
async fn an_error_page_says_nothing_of_what_is_settled() {
    let (mock, facilitator) = client().await;
    let kinds = json!({"kinds": []}).to_string();
    for (status, page) in
        [(429, json!({"error": "slow down"}).to_string()), (500, kinds), (200, "{}".to_owned())]
    {
        mock.does(Act::Answer(status, page));
        assert_eq!(facilitator.supported().await, Err(Unknown::Malformed { status }));
    }
}

#[tokio::test]
async fn who_pays_where_nothing_is_read_its_facilitator_says_or_nobody() {
    let (mock, facilitator) = client().await;
    let (payment, requirements) = (json!({"x402Version": 2}), unread());
    let shown = Shown { version: 2, payment: &payment, requirements: &requirements, payer: None };
    let identified = async |status: u16, answer: serde_json::Value| {
        mock.does(Act::Answer(status, answer.to_string()));
        facilitator.identify(shown).await
    };
    let valid = json!({"isValid": true, "payer": "payer1"});
    assert_eq!(identified(200, valid).await, Ok(Identified::Payer("payer1".parse().unwrap())));
    for none in [json!({"isValid": true}), json!({"isValid": true, "payer": "two words"})] {
        assert_eq!(identified(200, none).await, Err(Unknown::Other("payer")));
    }
    let invalid = json!({"isValid": false, "invalidReason": "insufficient_funds"});
    assert_eq!(identified(400, invalid).await, Ok(Identified::Invalid("insufficient_funds".to_owned())));
    assert_eq!(identified(401, json!("who?")).await, Err(Unknown::Malformed { status: 401 }));
}
