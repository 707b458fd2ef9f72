//! The contracts that are spoken to, by the parts that are used.

use alloy_sol_types::sol;

sol! {
    /// ERC-20 with EIP-3009.
    interface Token {
        function balanceOf(address owner) external view returns (uint256);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

        event Transfer(address indexed from, address indexed to, uint256 value);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    }
}
