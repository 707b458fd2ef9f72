// A public network on this machine: anvil with USDC where Base Sepolia has it, and the official facilitator, unmodified.
// Says where they are in one line of JSON, and ends with its standard input. One JSON argument: whom to give how many units.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/facilitator";
import { createTestClient, encodeFunctionData, http, publicActions, walletActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";

const require = createRequire(import.meta.url);
const USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
// anvil's own first account: it has coins for gas.
const SETTLER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const { source, funded } = JSON.parse(process.argv[2]);

function compile() {
  const solc = require("solc");
  const input = {
    language: "Solidity",
    sources: { "TestUSDC.sol": { content: readFileSync(source, "utf8") } },
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true },
      outputSelection: { "*": { "*": ["abi", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const wrong = (output.errors ?? []).filter((error) => error.severity === "error");
  if (wrong.length > 0) throw new Error(wrong.map((error) => error.formattedMessage).join("\n"));
  const { abi, evm } = output.contracts["TestUSDC.sol"].TestUSDC;
  return { abi, code: `0x${evm.deployedBytecode.object}` };
}

async function anvil() {
  const binary = require.resolve("@foundry-rs/anvil-linux-amd64/bin/anvil");
  const child = spawn(binary, ["--port", "0", "--chain-id", String(baseSepolia.id), "--prune-history", "256"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.on("exit", () => child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /^Listening on (\S+)$/.exec(line);
    if (found) {
      child.stdout.resume();
      return `http://${found[1]}`;
    }
  }
  throw new Error("anvil ended");
}

const rpc = await anvil();
const account = privateKeyToAccount(SETTLER);
const client = createTestClient({ account, chain: baseSepolia, mode: "anvil", transport: http(rpc), pollingInterval: 20 })
  .extend(publicActions)
  .extend(walletActions);
const { abi, code } = compile();
await client.setCode({ address: USDC, bytecode: code });
for (const [to, units] of Object.entries(funded)) {
  const data = encodeFunctionData({ abi, functionName: "mint", args: [to, BigInt(units)] });
  const hash = await client.sendTransaction({ to: USDC, data });
  await client.waitForTransactionReceipt({ hash });
}

const signer = toFacilitatorEvmSigner({
  address: account.address,
  getCode: (asked) => client.getCode(asked),
  readContract: (asked) => client.readContract({ ...asked, args: asked.args ?? [] }),
  verifyTypedData: (asked) => client.verifyTypedData(asked),
  writeContract: (asked) => client.writeContract({ ...asked, args: asked.args ?? [] }),
  sendTransaction: (asked) => client.sendTransaction(asked),
  waitForTransactionReceipt: (asked) => client.waitForTransactionReceipt(asked),
});
const facilitator = new x402Facilitator();
facilitator.register("eip155:84532", new ExactEvmScheme(signer));
facilitator.registerV1("base-sepolia", new ExactEvmSchemeV1(signer));

const server = createServer(async (request, response) => {
  const answer = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  try {
    if (request.url === "/supported") return answer(200, facilitator.getSupported());
    let text = "";
    for await (const piece of request) text += piece;
    const { paymentPayload, paymentRequirements } = JSON.parse(text);
    if (request.url === "/verify") return answer(200, await facilitator.verify(paymentPayload, paymentRequirements));
    if (request.url === "/settle") return answer(200, await facilitator.settle(paymentPayload, paymentRequirements));
    answer(404, {});
  } catch (error) {
    answer(500, { error: String(error) });
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
console.log(JSON.stringify({ rpc, facilitator: `http://127.0.0.1:${server.address().port}`, token: USDC }));
process.stdin.resume();
await once(process.stdin, "end");
process.exit(0);
