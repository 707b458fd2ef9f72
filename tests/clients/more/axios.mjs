// A stock npm client, unmodified: @x402/axios at its defaults. One JSON argument in, one line of JSON per paid call out.
import { decodePaymentResponseHeader, wrapAxiosWithPayment, x402Client } from "@x402/axios";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import axios from "axios";
import { privateKeyToAccount } from "viem/accounts";

const { privateKey, calls } = JSON.parse(process.argv[2]);

const client = new x402Client();
registerExactEvmScheme(client, { signer: privateKeyToAccount(privateKey) });
const paid = wrapAxiosWithPayment(axios.create({ validateStatus: (status) => status !== 402 }), client);

for (const { method, url, body: data } of calls) {
  const response = await paid.request({ method, url, data, headers: data && { "Content-Type": "application/json" } });
  const header = response.headers["payment-response"];
  const receipt = header ? decodePaymentResponseHeader(header) : null;
  const body = typeof response.data === "string" ? response.data : JSON.stringify(response.data);
  console.log(JSON.stringify({ status: response.status, receipt, body }));
}
