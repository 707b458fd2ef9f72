//! The contracts that are spoken to, by the parts that are used.

use alloy_sol_types::sol;

sol! {
    /// ERC-20 with EIP-3009.
    interface Token {
        function balanceOf(address owner) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

        event Transfer(address indexed from, address indexed to, uint256 value);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    }
}

sol! {
    /// Permit2's own nonces, 256 of them in a word.
    interface Permit2 {
        function nonceBitmap(address owner, uint256 word) external view returns (uint256);

        event UnorderedNonceInvalidation(address indexed owner, uint256 word, uint256 mask);
    }
}

sol! {
    /// x402's proxies for Permit2. Neither event says which payment it is of.
    interface Proxy {
        event Settled();
        event SettledWithPermit();
    }
}
