// The official facilitator for Solana, unmodified, on the chain behind the `rpc` of its one JSON argument. Says where it listens.
import { once } from "node:events";
import { createServer } from "node:http";
import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorSvmSigner } from "@x402/svm";
import { registerExactSvmScheme } from "@x402/svm/exact/facilitator";

const { rpc, seed } = JSON.parse(process.argv[2]);
const signer = toFacilitatorSvmSigner(await createKeyPairSignerFromPrivateKeyBytes(Buffer.from(seed, "hex")), { defaultRpcUrl: rpc });
const facilitator = new x402Facilitator();
registerExactSvmScheme(facilitator, { signer, networks: "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1" });

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
