// The code of every contract of the local chain, by its address, as JSON: our own compiled, Permit2 and Multicall3 as they stand on
// public networks, out of npm's @eth-optimism/contracts-bedrock. Arguments: the folder of our sources, its Preinstalls.sol.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { encodeAbiParameters, keccak256, toHex } from "viem";
import { baseSepolia } from "viem/chains";

const require = createRequire(import.meta.url);
const OURS = {
  "TestUSDC.sol": { TestUSDC: "0x036CbD53842c5426634e7929541eC2318f3dCF7e" },
  "Proxies.sol": {
    ExactProxy: "0x402085c248EeA27D92E8b30b2C58ed07f9E20001",
    UptoProxy: "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002",
  },
  "Wallets.sol": { WalletFactory: "0xfaC7000000000000000000000000000000001271" },
};
const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";
// Where Permit2's code has its two immutables: see getPermit2Code in Preinstalls.sol.
const [CHAIN_ID_AT, DOMAIN_AT] = [6945, 6983];

const [folder, preinstalls] = process.argv.slice(2);

function compiled() {
  const sources = Object.keys(OURS).map((file) => [file, { content: readFileSync(join(folder, file), "utf8") }]);
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(sources),
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true },
      viaIR: true,
      outputSelection: { "*": { "*": ["evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(require("solc").compile(JSON.stringify(input)));
  const wrong = (output.errors ?? []).filter((error) => error.severity === "error");
  if (wrong.length > 0) throw new Error(wrong.map((error) => error.formattedMessage).join("\n"));
  return Object.entries(OURS).flatMap(([file, contracts]) =>
    Object.entries(contracts).map(([name, at]) => [at, `0x${output.contracts[file][name].evm.deployedBytecode.object}`]),
  );
}

const published = readFileSync(preinstalls, "utf8");
const constant = (name) => new RegExp(`${name}\\s*=\\s*hex"([0-9a-f]+)"`).exec(published)[1];

function permit2() {
  const type = keccak256(toHex("EIP712Domain(string name,uint256 chainId,address verifyingContract)"));
  const kinds = ["bytes32", "bytes32", "uint256", "address"].map((type) => ({ type }));
  const domain = keccak256(encodeAbiParameters(kinds, [type, keccak256(toHex("Permit2")), BigInt(baseSepolia.id), PERMIT2]));
  const put = (code, at, word) => code.slice(0, at * 2) + word.slice(2) + code.slice((at + 32) * 2);
  return put(put(constant("Permit2TemplateCode"), CHAIN_ID_AT, toHex(baseSepolia.id, { size: 32 })), DOMAIN_AT, domain);
}

const code = [...compiled(), [PERMIT2, `0x${permit2()}`], [MULTICALL3, `0x${constant("MultiCall3Code")}`]];
console.log(JSON.stringify(Object.fromEntries(code)));
