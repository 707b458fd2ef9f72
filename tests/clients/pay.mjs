// A stock npm client, unmodified: @x402/fetch, at its defaults or with the one documented line for the private network.
// One JSON argument in, one line of JSON per paid call out.
import { wrapFetchWithPayment, x402Client, decodePaymentResponseHeader } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { privateKeyToAccount } from "viem/accounts";

const { privateKey, network, asset, calls } = JSON.parse(process.argv[2]);

const client = new x402Client();
const account = privateKeyToAccount(privateKey);
client.register("eip155:*", new ExactEvmScheme(account));
client.register("eip155:*", new UptoEvmScheme(account));
if (asset) client.setSpendControls({ allowedAssets: [{ network, asset, maxAmountPerPayment: "1000000" }] });
const paidFetch = wrapFetchWithPayment(fetch, client);

for (const { method, url, body, stream } of calls) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await paidFetch(url, { method, body, headers });
  const header = response.headers.get("PAYMENT-RESPONSE");
  const receipt = header ? decodePaymentResponseHeader(header) : null;
  const result = { status: response.status, receipt };
  if (stream) {
    // Told before the stream ends: the test lets it go on only then.
    console.log(JSON.stringify({ begun: true, ...result }));
    result.pieces = 0;
    result.body = "";
    const decoder = new TextDecoder();
    for await (const piece of response.body) {
      result.pieces += 1;
      result.body += decoder.decode(piece, { stream: true });
    }
  } else {
    result.body = await response.text();
  }
  console.log(JSON.stringify(result));
}
