//! Providers that are gone and earned what was not settled: nobody looks for it under a name that is in no file.

use std::sync::Arc;

use domain::Amount;

/// What is said of each provider that earned something and is none any more.
pub(crate) fn warnings(
    owed: &[(Arc<str>, Amount)],
    is_there: impl Fn(&str) -> bool,
) -> impl Iterator<Item = String> {
    let gone = owed.iter().filter(move |(provider, _)| !is_there(provider));
    gone.map(|(provider, amount)| warning(provider, &amount.to_string()))
}

/// Of one provider that is about to go.
pub(crate) fn leaving(provider: &str, amount: &str) -> String {
    format!(
        "providers: `{provider}` is taken away, and earned {amount} that was not settled: the ledger keeps that under its name, and \
         pays nobody else. Settle with it before (`faregate settlement run --provider {provider}`), or leave it in with \
         suspended = true, which sells nothing"
    )
}

/// Of one provider.
pub(crate) fn warning(provider: &str, amount: &str) -> String {
    format!(
        "providers: `{provider}` is gone, and earned {amount} that was not settled: where it has a payout destination it still is \
         (`faregate settlement run --provider {provider}` does it at once); else it waits until there is a provider of this name again \
         (suspended = true sells nothing)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_gone_is_told_of_with_name_and_amount() {
        let amount = |units| Amount::from_atomic(units).unwrap();
        let owed = [("gone".into(), amount(1_230_000)), ("here".into(), amount(5))];
        let told: Vec<_> = warnings(&owed, |name| name == "here").collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("`gone`") && told[0].contains("$1.23"), "{}", told[0]);
    }
}
