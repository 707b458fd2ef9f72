// A Solana of this machine: litesvm runs real transactions through the real token program, behind as much of a node's JSON-RPC as the stock
// clients and the official facilitator ask. One block for each transaction. Of its one JSON argument, `holders` have so much of the token by
// their addresses, and `payers` have coins for fees. Says where it listens.
import { once } from "node:events";
import { createServer } from "node:http";
import { getBase64EncodedWireTransaction, getBase64Encoder, getCompiledTransactionMessageDecoder, getSignatureFromTransaction, getTransactionDecoder } from "@solana/kit";
import { AccountState, TOKEN_PROGRAM_ADDRESS, findAssociatedTokenPda, getMintEncoder, getTokenDecoder, getTokenEncoder } from "@solana-program/token";
import { FailedTransactionMetadata, LiteSVM } from "litesvm";

// USDC of devnet.
const MINT = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
// Of devnet's first block.
const GENESIS = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
const MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
// Blocks for which a transaction may land that names the hash of one.
const RECENT = 150;
const COINS = 1_000_000_000n;

const { holders, payers } = JSON.parse(process.argv[2]);

// A node knows the hashes of many blocks, and a message that has landed by whatever signature: both are judged below. litesvm knows one hash,
// and looks at signatures.
const svm = new LiteSVM().withBlockhashCheck(false);
const hashes = [svm.latestBlockhash()];
const landed = [];

const put = (address, data) =>
  svm.setAccount({ address, data, executable: false, lamports: COINS, programAddress: TOKEN_PROGRAM_ADDRESS, space: BigInt(data.length) });
put(MINT, getMintEncoder().encode({ mintAuthority: null, supply: COINS, decimals: 6, isInitialized: true, freezeAuthority: null }));
const accounts = {};
for (const [owner, amount] of Object.entries(holders)) {
  [accounts[owner]] = await findAssociatedTokenPda({ mint: MINT, owner, tokenProgram: TOKEN_PROGRAM_ADDRESS });
  const plain = { state: AccountState.Initialized, delegate: null, delegatedAmount: 0n, isNative: null, closeAuthority: null };
  put(accounts[owner], getTokenEncoder().encode({ mint: MINT, owner, amount, ...plain }));
}
for (const payer of payers) svm.airdrop(payer, COINS);

const balance = (owner) => Number(getTokenDecoder().decode(svm.getAccount(accounts[owner]).data).amount);
const balances = () => Object.fromEntries(Object.keys(accounts).map((owner) => [owner, balance(owner)]));
const decode = (text) => getTransactionDecoder().decode(getBase64Encoder().encode(text));
const message = (transaction) => Buffer.from(transaction.messageBytes).toString("base64");
const error = (result) => (result instanceof FailedTransactionMetadata ? String(result) : null);

// As what a transaction has landed, whoever else signed it.
const landing = (transaction) => landed.find((other) => other.message === message(transaction));

// Why a transaction cannot land, whether it would succeed or fail.
function unfit(transaction) {
  if (landing(transaction)) return "AlreadyProcessed";
  const { lifetimeToken } = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
  return hashes.includes(lifetimeToken) ? null : "BlockhashNotFound";
}

function send(transaction) {
  const signature = getSignatureFromTransaction(transaction);
  if (unfit(transaction)) return signature;
  const before = balances();
  const result = svm.withSigverify(true).sendTransaction(transaction);
  if (!svm.getTransaction(signature)) return signature;
  landed.push({ signature, message: message(transaction), err: error(result), before, after: balances(), transaction, time: Date.now() });
  svm.expireBlockhash();
  hashes.unshift(svm.latestBlockhash());
  hashes.splice(RECENT);
  return signature;
}

function simulate(transaction, { sigVerify = false, replaceRecentBlockhash = false }) {
  const err = replaceRecentBlockhash ? null : unfit(transaction);
  if (err) return { err, logs: [], unitsConsumed: 0 };
  const result = svm.withSigverify(sigVerify).simulateTransaction(transaction);
  return { err: error(result), logs: result.meta().logs(), unitsConsumed: Number(result.meta().computeUnitsConsumed()) };
}

function account(address) {
  const { exists, data, executable, lamports, programAddress, space } = svm.getAccount(address);
  const text = () => [Buffer.from(data).toString("base64"), "base64"];
  return exists ? { data: text(), executable, lamports: Number(lamports), owner: programAddress, rentEpoch: 0, space: Number(space) } : null;
}

// As nodes list it, the memo behind its length.
function listed({ signature, err, transaction, time }) {
  const { instructions, staticAccounts } = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
  const memo = instructions.find((one) => staticAccounts[one.programAddressIndex] === MEMO);
  const text = memo && `[${memo.data.length}] ${Buffer.from(memo.data)}`;
  return { signature, slot: 1, err, memo: text ?? null, blockTime: Math.floor(time / 1000), confirmationStatus: "finalized" };
}

function names(address, { transaction }) {
  return getCompiledTransactionMessageDecoder().decode(transaction.messageBytes).staticAccounts.includes(address);
}

// As nodes show all of it.
function shown({ err, before, after, transaction, time }) {
  const held = (all) => Object.entries(all).map(([owner, amount]) => ({ mint: MINT, owner, uiTokenAmount: { amount: String(amount), decimals: 6 } }));
  const meta = { err, preTokenBalances: held(before), postTokenBalances: held(after) };
  return { slot: 1, blockTime: Math.floor(time / 1000), transaction: [getBase64EncodedWireTransaction(transaction), "base64"], meta };
}

const found = (signature) => landed.find((other) => other.signature === signature);

function status(signature) {
  const one = found(signature);
  return one ? { slot: 1, confirmations: null, err: one.err, confirmationStatus: "confirmed" } : null;
}

const here = (value) => ({ context: { slot: landed.length }, value });

// Places where calls wait: before a method is carried out, or after, until a test lets them go on.
const stops = new Map();
const event = () => {
  let happens;
  return { happened: new Promise((resolve) => (happens = resolve)), happens };
};
async function pass(place) {
  const stop = stops.get(place);
  stop?.reached.happens();
  await stop?.opened.happened;
}

const methods = {
  getAccountInfo: ([address]) => here(account(address)),
  getLatestBlockhash: () => here({ blockhash: hashes[0], lastValidBlockHeight: landed.length + RECENT }),
  simulateTransaction: ([text, options]) => here(simulate(decode(text), options)),
  sendTransaction: ([text]) => send(decode(text)),
  getSignatureStatuses: ([signatures]) => here(signatures.map(status)),
  getGenesisHash: () => GENESIS,
  getSlot: () => landed.length,
  getSignaturesForAddress: ([address]) => landed.filter((one) => names(address, one)).map(listed).reverse(),
  getTokenAccountsByOwner: ([owner, { mint }]) =>
    here(mint === MINT && accounts[owner] ? [{ pubkey: accounts[owner], account: account(accounts[owner]) }] : []),
  getTransaction: ([signature]) => (found(signature) ? shown(found(signature)) : null),
  // For tests.
  landed: () => landed.map(({ signature, before, after }) => ({ signature, before, after })),
  landing: ([text]) => landing(decode(text))?.signature,
  balance: ([owner]) => balance(owner),
  stop: ([place]) => void stops.set(place, { reached: event(), opened: event() }),
  reached: ([place]) => stops.get(place).reached.happened,
  open: ([place]) => stops.get(place).opened.happens(),
};

const server = createServer(async (request, response) => {
  const answer = (body) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", ...body }));
  let text = "";
  for await (const piece of request) text += piece;
  const { id, method, params = [] } = JSON.parse(text);
  try {
    await pass(`before ${method}`);
    const result = (await methods[method](params)) ?? null;
    await pass(`after ${method}`);
    answer({ id, result });
  } catch (failure) {
    answer({ id, error: { code: -32603, message: `${method}: ${failure}` } });
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
console.log(`listening on 127.0.0.1:${server.address().port}`);
