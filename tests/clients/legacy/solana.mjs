// The stock npm client of x402 v1 on Solana, unmodified: x402-fetch at its defaults but for the URL of its node. One JSON argument in, one line
// of JSON per paid call out.
import { base58 } from "@scure/base";
import { createSigner, decodeXPaymentResponse, wrapFetchWithPayment } from "x402-fetch";

const { rpc, seed, calls } = JSON.parse(process.argv[2]);

const signer = await createSigner("solana-devnet", base58.encode(Buffer.from(seed, "hex")));
const paidFetch = wrapFetchWithPayment(fetch, signer, undefined, undefined, { svmConfig: { rpcUrl: rpc } });

for (const { method, url, body } of calls) {
  const response = await paidFetch(url, { method, body });
  const header = response.headers.get("X-PAYMENT-RESPONSE");
  const receipt = header ? decodeXPaymentResponse(header) : null;
  console.log(JSON.stringify({ status: response.status, receipt, body: await response.text() }));
}
