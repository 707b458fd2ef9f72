// The official facilitator, unmodified, on the chain behind the `rpc` of its one JSON argument. Says where it listens.
import { once } from "node:events";
import { createServer } from "node:http";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { createWalletClient, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";

// anvil's own first account: it has coins for gas.
const SETTLER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

const { rpc } = JSON.parse(process.argv[2]);
const account = privateKeyToAccount(SETTLER);
const client = createWalletClient({ account, chain: baseSepolia, transport: http(rpc), pollingInterval: 20 }).extend(publicActions);

// Two transactions that are sent at the same moment would take the same number.
let sent = Promise.resolve();
const inTurn = (send) => (sent = sent.catch(() => {}).then(send));

const signer = toFacilitatorEvmSigner({
  address: account.address,
  getCode: (asked) => client.getCode(asked),
  readContract: (asked) => client.readContract({ ...asked, args: asked.args ?? [] }),
  verifyTypedData: (asked) => client.verifyTypedData(asked),
  writeContract: (asked) => inTurn(() => client.writeContract({ ...asked, args: asked.args ?? [] })),
  sendTransaction: (asked) => inTurn(() => client.sendTransaction(asked)),
  waitForTransactionReceipt: (asked) => client.waitForTransactionReceipt(asked),
});
const facilitator = new x402Facilitator();
// It makes wallets of payers by the factory of Wallets.sol.
const eip6492AllowedFactories = ["0xfaC7000000000000000000000000000000001271"];
facilitator.register("eip155:84532", new ExactEvmScheme(signer, { eip6492AllowedFactories }));
facilitator.register("eip155:84532", new UptoEvmScheme(signer));
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
console.log(`listening on 127.0.0.1:${server.address().port}`);
