//! Wallets' transfers and providers' revenue over the API.

use registry::Role;

use super::*;

impl House {
    async fn withdraw(&self, key: &str, wallet: &str, word: &str, amount: &str) -> Answer {
        let call = Call::new("POST", &format!("/v1/wallets/{wallet}/withdraw"));
        let call = call.with("Authorization", &format!("Bearer {key}")).with("Idempotency-Key", word);
        self.call(call.json(&json!({ "amount": amount, "external_reference": "bank" }))).await
    }

    /// A list as a tenant, or the administrator, reads it.
    pub(super) async fn rows(&self, key: &str, path: &str) -> Vec<Value> {
        let call = Call::new("GET", path).with("Authorization", &format!("Bearer {key}"));
        self.call(call).await.expect(200)["data"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_withdrawal_never_takes_what_a_running_request_holds() {
    let house = House::control().await;
    let (agent, wallet) = house.rich("buyer", Some("lab")).await;
    house.ledger.open_provider("acme").await.unwrap();
    let request = house.hold_request(("acme", "quotes"), (&agent, &wallet), 40_000_000);
    let Held::Hold(hold) = house.ledger.hold(request).await.unwrap() else { panic!("no hold") };
    house.withdraw(TOKEN, &wallet, "w1", "$60.01").await.expect_problem(409, "conflict");
    let taken = house.withdraw(TOKEN, &wallet, "w2", "$60").await.expect(200);
    assert_eq!((&taken["kind"], &taken["amount"]["display"]), (&json!("withdrawal"), &json!("$60.00")));
    assert_eq!(house.withdraw(TOKEN, &wallet, "w2", "$60").await.expect(200), taken);
    house.withdraw(TOKEN, &wallet, "w3", "$0.01").await.expect_problem(409, "conflict");
    hold.capture().await.unwrap().delivered();

    let listed = house.rows(TOKEN, "/v1/wallets").await;
    assert_eq!(
        (&listed[0]["balance"]["display"], &listed[0]["available"]["amount"]),
        (&json!("$0.00"), &json!("0"))
    );
    house.tell().await;
    let noted = house.rows(TOKEN, &format!("/v1/changes?subject_kind=wallet&subject={wallet}")).await;
    let actions: Vec<_> = noted.iter().map(|change| text(&change["action"])).collect();
    assert_eq!(actions, ["wallet.withdrawn", "wallet.funded", "wallet.created"]);
    house.end().await;
}

#[tokio::test]
async fn an_owner_reads_the_transfers_of_their_wallet_and_withdraws_nothing() {
    let house = House::control().await;
    let (_, wallet) = house.rich("buyer", Some("lab")).await;
    let (_, foreign) = house.rich("other", Some("rival")).await;
    house.withdraw(TOKEN, &wallet, "w", "$1").await.expect(200);
    let key = house.key_of(Role::Owner("lab".to_owned()), false).await;
    house.withdraw(&key, &wallet, "x", "$1").await.expect_problem(403, "forbidden");
    let path = format!("/v1/wallets/{wallet}/transfers");
    let rows = house.rows(&key, &path).await;
    let kinds: Vec<_> = rows.iter().map(|row| text(&row["kind"])).collect();
    // Both in one millisecond: only their random parts order them.
    assert!(kinds == ["withdrawal", "funding"] || kinds == ["funding", "withdrawal"], "{kinds:?}");
    let first = house
        .call(Call::new("GET", &format!("{path}?limit=1")).with("Authorization", &format!("Bearer {key}")));
    let first = first.await.expect(200);
    let second = house.rows(&key, &format!("{path}?limit=1&after={}", text(&first["next"]))).await;
    assert_eq!([first["data"][0].clone(), second[0].clone()], rows[..]);
    let call = Call::new("GET", &format!("/v1/wallets/{foreign}/transfers"));
    let answer = house.call(call.with("Authorization", &format!("Bearer {key}"))).await;
    answer.expect_problem(404, "wallet_not_found");
    house.end().await;
}

#[tokio::test]
async fn revenue_is_what_was_captured_less_fee_and_refunds() {
    let house = House::control().await;
    let (agent, wallet) = house.rich("buyer", None).await;
    let (second, purse) = house.rich("second", None).await;
    for (route, payer, units) in [
        ("quotes", (&*agent, &*wallet), 1_000_000),
        ("quotes", (&*second, &*purse), 3_000_000),
        ("maps", (&*agent, &*wallet), 400_000),
    ] {
        let payment = house.buy(("acme", route), payer, units).await.to_string();
        if route == "maps" {
            house.refund(TOKEN, "half", &payment, json!({ "amount": "$0.20" })).await.expect(200);
        }
    }
    house.buy(("blue", "other"), (&agent, &wallet), 9_000_000).await;
    let key = house.key_of(Role::Provider("acme".to_owned()), true).await;
    let path = "/v1/providers/acme/revenue";
    let total = house.rows(&key, path).await;
    let money = |row: &Value| {
        ["gross", "fee", "refunded", "refunded_fee", "net"].map(|name| text(&row[name]["display"]))
    };
    assert_eq!(total.len(), 1);
    assert_eq!(money(&total[0]), ["$4.40", "$0.11", "$0.20", "$0.005", "$4.095"]);
    assert_eq!((&total[0]["payments"], &total[0]["refunds"]), (&json!(3), &json!(1)));
    let by_route = house.rows(&key, &format!("{path}?by=route")).await;
    assert_eq!((&by_route[0]["route"], &by_route[1]["route"]), (&json!("maps"), &json!("quotes")));
    assert_eq!(money(&by_route[0]), ["$0.40", "$0.01", "$0.20", "$0.005", "$0.195"]);
    let by_day = house.rows(&key, &format!("{path}?by=day&from=2027-01-15&to=2027-01-16")).await;
    assert_eq!(
        (by_day.len(), &by_day[0]["day"], money(&by_day[0])),
        (1, &json!("2027-01-15"), money(&total[0]))
    );
    assert_eq!(house.rows(&key, &format!("{path}?by=day_and_route&limit=1")).await.len(), 1);
    let before = house.rows(&key, &format!("{path}?by=day&from=2027-01-01&to=2027-01-15")).await;
    assert_eq!(before, Vec::<Value>::new(), "a day that is the end is not in it");

    let top = house.rows(&key, "/v1/providers/acme/consumers?month=2027-01").await;
    let spent: Vec<_> = top.iter().map(|row| (text(&row["agent"]), text(&row["spent"]["display"]))).collect();
    assert_eq!(spent, [(second, "$3.00".to_owned()), (agent, "$1.20".to_owned())]);
    assert_eq!(house.rows(&key, "/v1/providers/acme/consumers?limit=1").await.len(), 1);
    assert_eq!(house.rows(&key, "/v1/providers/acme/consumers?month=2026-12").await, Vec::<Value>::new());
    for bad in ["revenue?by=hour", "revenue?from=2020-01-01", "consumers?month=january", "consumers?limit=0"]
    {
        let answer = house.admin("GET", &format!("/v1/providers/acme/{bad}"), None).await;
        answer.expect_problem(400, "invalid_parameter");
    }
    for foreign in ["revenue", "consumers"] {
        let call = Call::new("GET", &format!("/v1/providers/blue/{foreign}"));
        let answer = house.call(call.with("Authorization", &format!("Bearer {key}"))).await;
        answer.expect_problem(404, "provider_not_found");
    }
    house.end().await;
}

#[tokio::test]
async fn the_live_audit_names_what_it_looked_at() {
    let house = House::control().await;
    let report = house.admin("GET", "/v1/audit", None).await.expect(200);
    assert_eq!((&report["clean"], &report["payments"]), (&json!(true), &json!(0)));
    assert_eq!(report["violations"], json!([]));
    assert!(!report["findings"].as_array().unwrap().is_empty());
    house.end().await;
}
