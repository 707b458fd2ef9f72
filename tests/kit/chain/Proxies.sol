// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// What x402's proxies for Permit2 do, written anew after their interface in the npm package x402/evm: the originals are in no registry. Whoever
/// signs names the proxy as the one who may spend and, as a witness, to whom.
interface Permit2 {
    struct TokenPermissions { address token; uint256 amount; }
    struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }
    struct SignatureTransferDetails { address to; uint256 requestedAmount; }

    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit, SignatureTransferDetails calldata details, address owner, bytes32 witness,
        string calldata witnessTypeString, bytes calldata signature
    ) external;
}

interface Permitting {
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
}

abstract contract Proxy {
    struct EIP2612Permit { uint256 value; uint256 deadline; bytes32 r; bytes32 s; uint8 v; }

    Permit2 public constant PERMIT2 = Permit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    event Settled();
    event SettledWithPermit();

    error InvalidDestination();
    error InvalidOwner();
    error PaymentTooEarly();
    error Permit2612AmountMismatch();

    function move(
        Permit2.PermitTransferFrom calldata permit, uint256 amount, address owner, address to, uint256 validAfter, bytes32 witness,
        string memory typeString, bytes calldata signature
    ) internal {
        if (owner == address(0)) revert InvalidOwner();
        if (to == address(0)) revert InvalidDestination();
        if (block.timestamp < validAfter) revert PaymentTooEarly();
        PERMIT2.permitWitnessTransferFrom(
            permit, Permit2.SignatureTransferDetails(to, amount), owner, witness, typeString, signature
        );
    }

    /// A permit that fails is no failure: the allowance may be there already.
    function allow(Permit2.TokenPermissions calldata permitted, address owner, EIP2612Permit calldata p) internal {
        if (p.value != permitted.amount) revert Permit2612AmountMismatch();
        try Permitting(permitted.token).permit(owner, address(PERMIT2), p.value, p.deadline, p.v, p.r, p.s) {} catch {}
    }
}

contract ExactProxy is Proxy {
    struct Witness { address to; uint256 validAfter; }

    string public constant WITNESS_TYPE_STRING =
        "Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,uint256 validAfter)";
    bytes32 public constant WITNESS_TYPEHASH = keccak256("Witness(address to,uint256 validAfter)");

    function settle(
        Permit2.PermitTransferFrom calldata permit, address owner, Witness calldata witness, bytes calldata signature
    ) external {
        all(permit, owner, witness, signature);
        emit Settled();
    }

    function settleWithPermit(
        EIP2612Permit calldata permit2612, Permit2.PermitTransferFrom calldata permit, address owner, Witness calldata witness,
        bytes calldata signature
    ) external {
        allow(permit.permitted, owner, permit2612);
        all(permit, owner, witness, signature);
        emit SettledWithPermit();
    }

    function all(
        Permit2.PermitTransferFrom calldata permit, address owner, Witness calldata witness, bytes calldata signature
    ) private {
        bytes32 content = keccak256(abi.encode(WITNESS_TYPEHASH, witness.to, witness.validAfter));
        move(permit, permit.permitted.amount, owner, witness.to, witness.validAfter, content, WITNESS_TYPE_STRING, signature);
    }
}

contract UptoProxy is Proxy {
    struct Witness { address to; address facilitator; uint256 validAfter; }

    string public constant WITNESS_TYPE_STRING =
        "Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,address facilitator,uint256 validAfter)";
    bytes32 public constant WITNESS_TYPEHASH = keccak256("Witness(address to,address facilitator,uint256 validAfter)");

    error AmountExceedsPermitted();
    error UnauthorizedFacilitator();

    function settle(
        Permit2.PermitTransferFrom calldata permit, uint256 amount, address owner, Witness calldata witness,
        bytes calldata signature
    ) external {
        part(permit, amount, owner, witness, signature);
        emit Settled();
    }

    function settleWithPermit(
        EIP2612Permit calldata permit2612, Permit2.PermitTransferFrom calldata permit, uint256 amount, address owner,
        Witness calldata witness, bytes calldata signature
    ) external {
        allow(permit.permitted, owner, permit2612);
        part(permit, amount, owner, witness, signature);
        emit SettledWithPermit();
    }

    function part(
        Permit2.PermitTransferFrom calldata permit, uint256 amount, address owner, Witness calldata witness,
        bytes calldata signature
    ) private {
        if (amount > permit.permitted.amount) revert AmountExceedsPermitted();
        if (msg.sender != witness.facilitator) revert UnauthorizedFacilitator();
        bytes32 content = keccak256(abi.encode(WITNESS_TYPEHASH, witness.to, witness.facilitator, witness.validAfter));
        move(permit, amount, owner, witness.to, witness.validAfter, content, WITNESS_TYPE_STRING, signature);
    }
}
