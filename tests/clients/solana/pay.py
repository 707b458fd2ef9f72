"""A stock PyPI client on Solana, unmodified: x402 with httpx and solders, at its defaults but for the URL of its node.

One JSON argument in, one line of JSON per paid call out.
"""

import asyncio
import base64
import json
import sys

from solders.keypair import Keypair
from x402 import x402Client
from x402.http.clients.httpx import x402HttpxClient
from x402.mechanisms.svm.exact.register import register_exact_svm_client
from x402.mechanisms.svm.signers import KeypairSigner


async def main() -> None:
    asked = json.loads(sys.argv[1])
    client = x402Client()
    signer = KeypairSigner(Keypair.from_seed(bytes.fromhex(asked["seed"])))
    register_exact_svm_client(client, signer, rpc_url=asked["rpc"])
    async with x402HttpxClient(client, timeout=30) as http:
        for call in asked["calls"]:
            response = await http.request(call["method"], call["url"])
            header = response.headers.get("PAYMENT-RESPONSE")
            receipt = json.loads(base64.b64decode(header)) if header else None
            print(json.dumps({"status": response.status_code, "receipt": receipt, "body": response.text}), flush=True)


asyncio.run(main())
