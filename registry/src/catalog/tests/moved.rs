//! A setup that goes from one registry to another: what an operator vouched for, and what not.

use super::*;

#[tokio::test]
async fn what_a_tenant_named_elsewhere_is_not_trusted_because_an_operator_applies_it() {
    let (here, there) = (Place::new(), Place::new());
    let (registry, _) = opened(&here).await;
    let with = |name: &str, host: &str| json!({ "name": name, "upstream": { "addresses": [host] } });
    registry.apply_bundle(&operator(), Bundle::default(), true).await.unwrap();
    registry.create_provider(&tenant(), with("mine", "https://api.mine.example")).await.unwrap();
    registry.create_provider(&operator(), with("ours", "http://10.0.0.1")).await.unwrap();
    let public_only =
        |registry: &Registry, name: &str| registry.provider(name).unwrap().provider.upstream.public_only;
    let exported = registry.export().to_toml();
    let again = registry.apply_bundle(&operator(), registry.export(), true).await.unwrap();
    assert!(again.changes.is_empty() && public_only(&registry, "mine"), "{:?}", again.changes);

    let other = open(&there, &TestClock::new()).await;
    other.apply(&file(&[]), other.now()).await.unwrap();
    for _ in 0..2 {
        other.apply_bundle(&operator(), Bundle::from_toml(&exported).unwrap(), true).await.unwrap();
        assert!(public_only(&other, "mine") && !public_only(&other, "ours"), "{exported}");
    }
    let document = other.provider("mine").unwrap().document();
    assert_eq!(document, with("mine", "https://api.mine.example"), "it is no part of the document");
    // Nor does an operator lead it astray who leaves the mark where it is.
    let astray = exported.replace("https://api.mine.example", "http://169.254.169.254");
    let error = other.apply_bundle(&operator(), Bundle::from_toml(&astray).unwrap(), true).await.unwrap_err();
    assert_eq!(pointers(error), ["/providers/0/upstream/addresses/0"]);
    let mut vouched = with("mine", "http://10.0.0.2");
    other.update_provider(&operator(), "mine", patch(vouched.clone())).await.unwrap();
    assert!(!public_only(&other, "mine"));
    vouched["upstream"]["public_only"] = json!("no");
    let error = other.update_provider(&operator(), "mine", patch(vouched)).await.unwrap_err();
    assert_eq!(pointers(error), ["/upstream/public_only"]);
}
