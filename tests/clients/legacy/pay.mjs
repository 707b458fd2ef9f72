// A stock npm client of x402 v1, unmodified: x402-fetch at its defaults. One JSON argument in, one line of JSON per paid call out.
import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { decodeXPaymentResponse, wrapFetchWithPayment } from "x402-fetch";

const { privateKey, calls } = JSON.parse(process.argv[2]);

const wallet = createWalletClient({ account: privateKeyToAccount(privateKey), transport: http(), chain: baseSepolia });
const paidFetch = wrapFetchWithPayment(fetch, wallet);

for (const { method, url, body } of calls) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await paidFetch(url, { method, body, headers });
  const header = response.headers.get("X-PAYMENT-RESPONSE");
  const receipt = header ? decodeXPaymentResponse(header) : null;
  console.log(JSON.stringify({ status: response.status, receipt, body: await response.text() }));
}
