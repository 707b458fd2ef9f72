// The official TypeScript server, unmodified, for comparisons: `GET /paid` for $0.001 and `GET /free` on Base Sepolia, settled by the
// facilitator of its one JSON argument, to `payTo`. Says where it listens. The official facilitator is tests/kit/chain/facilitator.mjs.
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import express from "express";

const { facilitator, payTo } = JSON.parse(process.argv[2]);
const network = "eip155:84532";
const server = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitator })).register(network, new ExactEvmScheme());
const paid = { accepts: { scheme: "exact", price: "$0.001", network, payTo }, description: "paid GET", mimeType: "application/json" };

const app = express();
app.use(paymentMiddleware({ "GET /paid": paid }, server));
app.get("/paid", (_, response) => response.json({ served: "/paid" }));
app.get("/free", (_, response) => response.json({ served: "/free" }));
const listening = app.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${listening.address().port}`));
