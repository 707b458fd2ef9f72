// A stock npm client of x402 v1, unmodified: x402-axios at its defaults. One JSON argument in, one line of JSON per paid call out.
import axios from "axios";
import { privateKeyToAccount } from "viem/accounts";
import { decodeXPaymentResponse, withPaymentInterceptor } from "x402-axios";

const { privateKey, calls } = JSON.parse(process.argv[2]);

const bare = axios.create({ validateStatus: (status) => status !== 402 });
const paid = withPaymentInterceptor(bare, privateKeyToAccount(privateKey));

for (const { method, url, body: data } of calls) {
  const response = await paid.request({ method, url, data, headers: data && { "Content-Type": "application/json" } });
  const header = response.headers["x-payment-response"];
  const receipt = header ? decodeXPaymentResponse(header) : null;
  const body = typeof response.data === "string" ? response.data : JSON.stringify(response.data);
  console.log(JSON.stringify({ status: response.status, receipt, body }));
}
