//! The databases are put back to an older backup: what left the treasury since is not sent once more, and what did not leave leaves once a
//! person has said what is what.

use super::*;

/// Restored and started, with this line about the settler.
async fn restart_with(house: &mut House, first_nonce: &str) {
    let text = house.0.gateway.config_text();
    let text = text
        .replace("max_fee_per_gas = \"100gwei\"", &format!("max_fee_per_gas = \"100gwei\"\n{first_nonce}"));
    house.0.gateway.overwrite(&text);
    house.0.gateway.restart().await;
}

/// The same, where a person has looked at all that the chain has of the key.
async fn restart_knowing_all(house: &mut House) {
    let treasury = PublicWorld::treasury().to_checksum(None);
    let count = house.0.network.rpc("eth_getTransactionCount", json!([treasury, "latest"])).await;
    let count = u64::from_str_radix(text(&count).trim_start_matches("0x"), 16).unwrap();
    restart_with(house, &format!("first_nonce = {count}")).await;
}

async fn until_held(house: &House) {
    house.0.gateway.logged("the key has sent transactions that the outbox does not know").await;
    let held = async || {
        let metrics = house.0.gateway.metrics().await;
        (metrics.count("faregate_chain_outgoing_held", &[("network", NETWORK)]) == 1).then_some(())
    };
    until("the metric", held).await;
}

async fn until_depth(house: &House, count: usize) -> Vec<Value> {
    until("what is to leave to be over", || async {
        house.0.network.mine(1).await;
        let all = house.outgoing().await;
        let over = all.iter().filter(|one| one["state"] == "paid").count();
        (over >= count).then_some(all)
    })
    .await
}

/// A backup is made, what is to leave leaves, and the backup is put back.
async fn leave_and_restore(house: &mut House) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let config = house.0.gateway.config_path().display().to_string();
    let said = run(&["db", "backup", "-c", &config, "--to", &backup.display().to_string()]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let left = until_depth(house, 2).await;
    house.0.gateway.terminate().await;
    let data = house.0.gateway.data_directory();
    std::fs::rename(&data, folder.path().join("old")).unwrap();
    std::fs::rename(&backup, &data).unwrap();
    house.0.gateway.restart().await;
    left
}

/// How the API answers to whoever says that a transfer left in a transaction.
async fn mark(house: &House, id: &str, transaction: &str) -> u16 {
    let body = json!({ "transaction": transaction }).to_string();
    let request = Request::post(&format!("/v1/outgoing/{id}/mark-paid"), &body);
    house.0.gateway.admin(&request.with("Content-Type", "application/json")).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_after_a_backup_that_is_restored_is_not_sent_again_and_a_person_says_what_left() {
    let mut house = House::new("confirmations = 2", LATER).await;
    if !house.0.gateway.config_text().contains("directory = ") {
        // PostgreSQL has backups of its own.
        return house.0.gateway.finish().await;
    }
    // A chain that is shorter than its confirmations shows nothing.
    house.0.network.mine(3).await;
    let payers = house.0.network.payers(3, 10_000).await;
    let payments = [house.buy(&payers[0]).await, house.buy(&payers[1]).await];
    // Neither is sent back before its own payment counts.
    for payment in &payments {
        house.refund(payment, Some("$0.0005"), payment).await.expect_status(200);
    }
    let left = leave_and_restore(&mut house).await;
    for payer in payers.iter().take(2) {
        assert_eq!(house.0.network.balance(payer.address()).await, 8_500);
    }

    until_held(&house).await;
    // Payers are served meanwhile, and their payments are settled.
    house.buy(&payers[2]).await;
    house.0.network.mine(3).await;
    let due = house.outgoing().await;
    assert!(due.iter().all(|one| one["state"] == "due"), "{due:?}");
    let id = |payment: &str| {
        let one = due.iter().find(|one| one["payment"] == payment).expect("its transfer");
        text(&one["id"])
    };
    let of = |payment: &str| left.iter().find(|one| one["payment"] == payment).expect("it left").clone();
    let (first, second) = (id(&payments[0]), id(&payments[1]));
    let hash = text(&of(&payments[0])["transaction"]);
    // The other one's transfer is not this one's.
    let other = text(&of(&payments[1])["transaction"]);
    assert_eq!(mark(&house, &first, &other).await, 409);
    let tried = house.say(&format!("outgoing mark-paid {first} --transaction {hash} --dry-run")).await;
    assert_eq!(tried["state"], "paid");
    assert!(house.outgoing().await.iter().any(|one| one["id"] == *first && one["state"] == "due"));
    for _ in 0..2 {
        let marked = house.say(&format!("outgoing mark-paid {first} --transaction {hash}")).await;
        assert_eq!((&marked["state"], &marked["transaction"]), (&json!("paid"), &json!(hash)));
    }
    assert_eq!(mark(&house, &second, &hash).await, 409, "it went to somebody else");
    house.say(&format!("outgoing mark-paid {second} --transaction {other}")).await;

    // Another one is begun only after a person has said from where on the outbox knows all.
    let fourth = house.refund(&payments[0], Some("$0.0001"), "later").await;
    fourth.expect_status(200);
    house.0.network.mine(3).await;
    assert_eq!(house.one_that_is("due").await["amount"]["amount"], "100");
    house.0.gateway.terminate().await;
    restart_knowing_all(&mut house).await;
    until_depth(&house, 3).await;
    assert_eq!(house.0.network.balance(payers[0].address()).await, 8_600);
    assert_eq!(house.0.network.balance(payers[1].address()).await, 8_500);
    let config = house.0.gateway.config_path().display().to_string();
    let said = run(&["reconcile", "-c", &config]).await;
    assert!(said.out.contains("3 outgoing transfers compared, no differences"), "{}{}", said.out, said.err);
    house.0.gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_somebody_else_sends_by_the_key_while_it_runs_nothing_leaves_until_a_person_has_looked() {
    let mut house = House::new("", LATER).await;
    let payer = house.0.network.payers(1, 10_000).await.remove(0);
    let payment = house.buy(&payer).await;
    let treasury = PublicWorld::treasury().to_checksum(None);
    house.0.network.send(&treasury, Address::repeat_byte(7), "0x").await;
    house.refund(&payment, Some("$0.0005"), &payment).await.expect_status(200);
    until_held(&house).await;
    house.buy(&payer).await;
    assert_eq!(house.0.network.balance(payer.address()).await, 6_000, "and nothing came back");
    house.0.gateway.terminate().await;
    restart_knowing_all(&mut house).await;
    until_depth(&house, 1).await;
    assert_eq!(house.0.network.balance(payer.address()).await, 6_500);
    house.0.gateway.finish().await;
}
