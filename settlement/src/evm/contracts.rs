//! The contracts that are called, by the parts that are used.

use alloy_sol_types::sol;

sol! {
    /// ERC-20 with EIP-3009.
    interface Token {
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
            uint8 v, bytes32 r, bytes32 s
        ) external;
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        function transfer(address to, uint256 value) external returns (bool);

        event Transfer(address indexed from, address indexed to, uint256 value);
    }

    /// The same where the signature may be a contract's (USDC 2.2).
    interface WalletToken {
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
            bytes signature
        ) external;
    }

    /// Permit2's `TokenPermissions`.
    struct Permitted {
        address token;
        uint256 amount;
    }

    /// Permit2's `PermitTransferFrom`.
    struct Permission {
        Permitted permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct ExactWitness {
        address to;
        uint256 validAfter;
    }

    struct UptoWitness {
        address to;
        address facilitator;
        uint256 validAfter;
    }

    interface ExactProxy {
        function settle(Permission permit, address owner, ExactWitness witness, bytes signature) external;
    }

    interface UptoProxy {
        function settle(Permission permit, uint256 amount, address owner, UptoWitness witness, bytes signature) external;
    }

    interface Permit2 {
        function nonceBitmap(address owner, uint256 word) external view returns (uint256);
    }

    /// Multicall3, by the call that lets others fail.
    interface Multicall {
        struct Call {
            address target;
            bool allowFailure;
            bytes callData;
        }

        struct Result {
            bool success;
            bytes returnData;
        }

        function aggregate3(Call[] calls) external payable returns (Result[] results);
    }
}
