//! Networks on which money can leave our treasury, for payouts and refunds: those whose settler is the treasury's own key.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::Outlet;
use protocol::signature::SigningKey;
use registry::Config;
use registry::config::network::{NetworkSettings, SettlerSettings};

/// By their names (CAIP-2), with the limits of the file.
pub(crate) fn all(config: &Config) -> HashMap<Arc<str>, Outlet> {
    let open = config.networks.iter().filter(|settings| closed(settings).is_none());
    let outlet = |settings: &NetworkSettings| Outlet { refunds_per_day: settings.refunds_per_day_max };
    open.map(|settings| (Arc::clone(&settings.network.id), outlet(settings))).collect()
}

/// Why nothing can leave on each network that has a treasury and no way out of it.
pub(crate) fn warnings(config: &Config) -> impl Iterator<Item = String> {
    let with_treasury = config.networks.iter().filter(|settings| settings.network.treasury.is_some());
    with_treasury.filter_map(|settings| {
        let why = closed(settings)?;
        Some(format!(
            "networks: {}: payouts and refunds on chain are impossible there, and routes with settle = \"before\" are not sold there, {why}",
            settings.network.id
        ))
    })
}

/// Why nothing can leave; none where it can.
fn closed(settings: &NetworkSettings) -> Option<String> {
    let Some(treasury) = settings.network.treasury else { return Some("it has no treasury".to_owned()) };
    let SettlerSettings::Evm(evm) = &settings.settler else {
        return Some(
            "because facilitators settle: only settler = \"evm\" with the treasury's own key can send"
                .to_owned(),
        );
    };
    match SigningKey::from_hex(evm.key.expose()) {
        Ok(key) if key.address() == treasury => None,
        Ok(key) => Some(format!(
            "because the treasury is {treasury} and the settler's key is that of {}: they must be one",
            key.address()
        )),
        Err(_) => Some("because the settler's key cannot be used".to_owned()),
    }
}
