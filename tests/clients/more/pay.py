"""A stock PyPI client, unmodified: x402 with requests at its defaults.

One JSON argument in, one line of JSON per paid call out.
"""

import base64
import json
import sys

from eth_account import Account
from x402 import x402ClientSync
from x402.http.clients.requests import x402_requests
from x402.mechanisms.evm.exact.register import register_exact_evm_client
from x402.mechanisms.evm.signers import EthAccountSigner

asked = json.loads(sys.argv[1])
client = x402ClientSync()
register_exact_evm_client(client, EthAccountSigner(Account.from_key(asked["privateKey"])))
session = x402_requests(client)
for call in asked["calls"]:
    body = call.get("body")
    headers = {} if body is None else {"Content-Type": "application/json"}
    response = session.request(call["method"], call["url"], data=body, headers=headers, timeout=30)
    header = response.headers.get("PAYMENT-RESPONSE")
    receipt = json.loads(base64.b64decode(header)) if header else None
    print(json.dumps({"status": response.status_code, "receipt": receipt, "body": response.text}), flush=True)
