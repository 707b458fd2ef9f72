// A stock npm client on Solana, unmodified: @x402/fetch with @x402/svm, at its defaults but for the URL of its node.
// One JSON argument in; out, one line of JSON for each payment that it signs, and one for each call.
import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { ExactSvmScheme } from "@x402/svm";

const { rpc, seed, calls } = JSON.parse(process.argv[2]);

const signer = await createKeyPairSignerFromPrivateKeyBytes(Buffer.from(seed, "hex"));
const client = new x402Client();
client.register("solana:*", new ExactSvmScheme(signer, { rpcUrl: rpc }));
const tellingFetch = (input, init) => {
  const request = new Request(input, init);
  const paying = request.headers.get("PAYMENT-SIGNATURE");
  if (paying) console.log(JSON.stringify({ paying }));
  return fetch(request);
};
const paidFetch = wrapFetchWithPayment(tellingFetch, client);

for (const { method, url, body } of calls) {
  try {
    const response = await paidFetch(url, { method, body });
    const header = response.headers.get("PAYMENT-RESPONSE");
    const receipt = header ? decodePaymentResponseHeader(header) : null;
    console.log(JSON.stringify({ status: response.status, receipt, body: await response.text() }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
