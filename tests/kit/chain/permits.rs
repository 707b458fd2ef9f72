//! What whoever signed permits may do with them on a [`Network`], beside having them settled.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{SolCall, SolStruct, eip712_domain, sol};
use protocol::permit::{EXACT_PROXY, PERMIT2, Permit};

use super::{BANK, CHAIN_ID, Network};
use crate::payer::{Payer, hex};

/// Where it is on every network.
const MULTICALL3: &str = "0xcA11bde05977b3631167028862bE2a173976CA11";

sol! {
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    /// What is signed where nobody is named as who is paid.
    struct PermitTransferFrom {
        TokenPermissions permitted;
        address spender;
        uint256 nonce;
        uint256 deadline;
    }

    struct Permission {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct Details {
        address to;
        uint256 requestedAmount;
    }

    struct Witness {
        address to;
        uint256 validAfter;
    }

    struct Call {
        address target;
        bool allowFailure;
        bytes callData;
    }

    function permitTransferFrom(Permission permit, Details details, address owner, bytes signature) external;

    function settle(Permission permit, address owner, Witness witness, bytes signature) external;

    function aggregate3(Call[] calls) external payable;
}

// === impl Network ===

impl Network {
    /// In one transaction: settles one permit, and uses the nonces of others for nothing, by other permits of theirs for another spender.
    pub async fn settle_one_and_burn(
        &self,
        payer: &Payer,
        (settled, signature): (&Permit, &[u8]),
        burnt: &[Permit],
    ) {
        let burn = |permit: &Permit| Call {
            target: PERMIT2,
            allowFailure: false,
            callData: burning(payer, permit).into(),
        };
        let mut calls: Vec<Call> = burnt.iter().map(burn).collect();
        let settling = settleCall {
            permit: permission(settled),
            owner: settled.from,
            witness: Witness { to: settled.witness.to, validAfter: settled.witness.valid_after },
            signature: Bytes::copy_from_slice(signature),
        };
        calls.push(Call { target: EXACT_PROXY, allowFailure: false, callData: settling.abi_encode().into() });
        let multicall = MULTICALL3.parse().expect("an address");
        self.send(BANK, multicall, &hex(&aggregate3Call { calls }.abi_encode())).await;
    }
}

/// Takes nothing by another permit of the same nonce.
fn burning(payer: &Payer, permit: &Permit) -> Vec<u8> {
    let Permission { permitted, nonce, deadline } = permission(permit);
    let spender = MULTICALL3.parse().expect("an address");
    let signed = PermitTransferFrom { permitted: permitted.clone(), spender, nonce, deadline };
    let domain = eip712_domain! { name: "Permit2", chain_id: CHAIN_ID, verifying_contract: PERMIT2, };
    let signature = payer.sign_digest(signed.eip712_signing_hash(&domain)).to_vec().into();
    let details = Details { to: permit.from, requestedAmount: U256::ZERO };
    permitTransferFromCall {
        permit: Permission { permitted, nonce, deadline },
        details,
        owner: permit.from,
        signature,
    }
    .abi_encode()
}

fn permission(permit: &Permit) -> Permission {
    let permitted = TokenPermissions { token: permit.token, amount: permit.amount };
    Permission { permitted, nonce: permit.nonce, deadline: permit.deadline }
}
