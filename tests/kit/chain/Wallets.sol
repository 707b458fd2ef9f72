// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// A wallet that is a contract: its owner's key signs for it (ERC-1271), and what stands behind the 65 bytes of that signature does not
/// matter. Whoever likes hands it over to another owner, or makes it misbehave.
contract Wallet {
    address public owner;
    uint8 public mode;

    constructor(address first) { owner = first; }

    function become(address next) external { owner = next; }

    /// 0: honest. 1: takes all the gas in a block, and is honest to whoever only asks. 2: all that it is shown it has signed.
    function behave(uint8 next) external { mode = next; }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (mode == 1 && tx.gasprice > 0) assembly { invalid() }
        bool isSigned = mode == 2;
        if (signature.length >= 65) {
            (bytes32 r, bytes32 s) = (bytes32(signature[:32]), bytes32(signature[32:64]));
            isSigned = isSigned || ecrecover(digest, uint8(signature[64]), r, s) == owner;
        }
        return isSigned ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

/// Makes wallets, each at an address that is known before.
contract WalletFactory {
    function make(address owner, uint256 salt) external {
        if (at(owner, salt).code.length == 0) new Wallet{salt: bytes32(salt)}(owner);
    }

    function at(address owner, uint256 salt) public view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(Wallet).creationCode, abi.encode(owner)));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), bytes32(salt), code)))));
    }
}
