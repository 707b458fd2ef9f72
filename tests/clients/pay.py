"""A stock PyPI client, unmodified: x402 with httpx, at its defaults or with the one documented line for the private network.

One JSON argument in, one line of JSON per paid call out.
"""

import asyncio
import base64
import json
import sys

from eth_account import Account
from x402 import x402Client
from x402.http.clients.httpx import x402HttpxClient
from x402.mechanisms.evm.exact.register import register_exact_evm_client
from x402.mechanisms.evm.signers import EthAccountSigner


async def main() -> None:
    asked = json.loads(sys.argv[1])
    client = x402Client()
    register_exact_evm_client(client, EthAccountSigner(Account.from_key(asked["privateKey"])))
    if "asset" in asked:
        allowed = {"network": asked["network"], "asset": asked["asset"], "max_amount_per_payment": "1000000"}
        client.set_spend_controls({"allowed_assets": [allowed]})
    async with x402HttpxClient(client, timeout=30) as http:
        for call in asked["calls"]:
            await pay(http, call)


async def pay(http: x402HttpxClient, call: dict) -> None:
    body = call.get("body")
    headers = {} if body is None else {"Content-Type": "application/json"}
    async with http.stream(call["method"], call["url"], content=body, headers=headers) as response:
        header = response.headers.get("PAYMENT-RESPONSE")
        receipt = json.loads(base64.b64decode(header)) if header else None
        result = {"status": response.status_code, "receipt": receipt, "body": "", "pieces": 0}
        if call.get("stream"):
            # Told before the stream ends: the test lets it go on only then.
            print(json.dumps({"begun": True, **result}), flush=True)
        async for piece in response.aiter_text():
            result["pieces"] += 1
            result["body"] += piece
        print(json.dumps(result), flush=True)


asyncio.run(main())
