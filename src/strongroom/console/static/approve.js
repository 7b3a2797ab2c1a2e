// Signs an approval, a rejection or a withdrawal with the person's own wallet (EIP-1193, EIP-6963).
//
// What the wallet is given is checked here once more against the words on the card's data: the
// payment must name the hash of the very SafeTx that is signed beside it.

const wallets = [];
window.addEventListener("eip6963:announceProvider", (event) => wallets.push(event.detail));
window.dispatchEvent(new Event("eip6963:requestProvider"));

const provider = () => wallets[0]?.provider ?? window.ethereum;

async function wallet(expected) {
  const found = provider();
  if (!found) {
    throw new Error("No wallet was found in this browser. Open the console where your wallet is.");
  }
  const accounts = await found.request({ method: "eth_requestAccounts" });
  if (!accounts.some((each) => each.toLowerCase() === expected.toLowerCase())) {
    throw new Error(`Your wallet offers another account. Choose ${expected} in it and try again.`);
  }
  return (data) =>
    found.request({ method: "eth_signTypedData_v4", params: [expected, JSON.stringify(data)] });
}

async function sign(box) {
  const ask = await wallet(box.dataset.address);
  if (box.dataset.order) return { signature: await ask(JSON.parse(box.dataset.order)) };
  const safeTx = JSON.parse(box.dataset.safeTx);
  if (!box.dataset.payment) {
    checkRejection(safeTx);
    return { safe_tx_signature: await ask(safeTx) };
  }
  const payment = JSON.parse(box.dataset.payment);
  check(safeTx.message, payment.message, box.dataset.batch && JSON.parse(box.dataset.batch));
  return { safe_tx_signature: await ask(safeTx), payment_signature: await ask(payment) };
}

// What frees a number of the vault: an empty call of the vault to itself, and nothing else.
function checkRejection({ domain, message }) {
  const zeros = ["value", "operation", "safeTxGas", "baseGas", "gasPrice"];
  const empty = zeros.every((each) => Number(message[each]) === 0) && message.data === "0x";
  if (!empty || lower(message.to) !== lower(domain.verifyingContract)) {
    throw new Error("The transaction does more than using its number up. Do not sign; call us.");
  }
}

function check(safeTx, payment, batch) {
  const wanted = batch ? callOfBatch(batch, payment) : { ...callOf(payment), operation: 0 };
  const same =
    lower(safeTx.to) === wanted.to && BigInt(safeTx.value) === wanted.value && safeTx.data === `0x${wanted.data}`;
  if (!same || Number(safeTx.operation) !== wanted.operation) {
    throw new Error("The transaction does not say what the payment says. Do not sign; call us.");
  }
}

const hex = (number, digits = 64) => BigInt(number).toString(16).padStart(digits, "0");

// Whom the vault calls, with how much coin and what data, to pay this.
function callOf({ token, to, units }) {
  if (/^0x0{40}$/.test(token)) return { to: lower(to), value: BigInt(units), data: "" };
  const word = to.slice(2).toLowerCase().padStart(64, "0");
  return { to: lower(token), value: 0n, data: `a9059cbb${word}${hex(units)}` };
}

// Several payments by MultiSendCallOnly, the one that is approved among them once.
function callOfBatch({ multi_send: contract, payments }, payment) {
  const alike = (one) => ["token", "to", "units"].every((each) => lower(one[each]) === lower(String(payment[each])));
  if (payments.filter(alike).length !== 1) throw new Error("The payment is not in its batch. Do not sign; call us.");
  const packed = payments.map(callOf)
    .map(({ to, value, data }) => `00${to.slice(2)}${hex(value)}${hex(data.length / 2)}${data}`).join("");
  const padded = packed.padEnd(Math.ceil(packed.length / 64) * 64, "0");
  return { to: lower(contract), value: 0n, operation: 1, data: `8d80ff0a${hex(32)}${hex(packed.length / 2)}${padded}` };
}

const lower = (text) => text.toLowerCase();

async function approve(box) {
  const button = box.querySelector("button");
  const answer = box.querySelector(".answer");
  button.disabled = true;
  answer.className = "answer";
  answer.textContent = box.dataset.payment
    ? "Your wallet asks you twice: for the transaction, and for the payment in words."
    : "Your wallet asks you once.";
  try {
    const body = await hand(box, "approvals", await sign(box));
    answer.className = "answer done";
    answer.textContent =
      body.state === "awaiting_approval" ? "Signed. It waits for somebody else."
        : body.state === "voiding" ? "Signed. The money is free once enough have signed."
          : "Signed. The payment goes out.";
    button.hidden = true;
  } catch (error) {
    failed(button, answer, error);
  }
}

async function hand(box, act, signed) {
  const response = await fetch(`/console/withdrawals/${box.dataset.withdrawal}/${act}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(signed),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? "It was refused.");
  return body;
}

function failed(button, answer, error) {
  answer.className = "answer problem";
  answer.textContent = error.message ?? String(error);
  button.disabled = false;
}

async function refuse(box) {
  const [button, answer, input] = ["button", ".answer", "input"].map((each) => box.querySelector(each));
  if (!input.reportValidity()) return;
  const reason = input.value;
  button.disabled = true;
  answer.className = "answer";
  answer.textContent = "Your wallet asks you once, for the refusal with its reason.";
  try {
    const asked = new URLSearchParams({ reason });
    const response = await fetch(`/console/withdrawals/${box.dataset.withdrawal}/rejection?${asked}`);
    const data = await response.json();
    if (!response.ok) throw new Error(data.detail ?? "It was refused.");
    // What is signed names this order and these words, or nothing is signed.
    if (data.message.intent !== box.dataset.intent || data.message.reason !== reason) {
      throw new Error("The refusal does not say what you wrote. Do not sign; call us.");
    }
    const signature = await (await wallet(box.dataset.address))(data);
    const body = await hand(box, box.dataset.act, { reason, signature });
    answer.className = "answer done";
    answer.textContent = body.state === "voiding"
      ? "Taken back. The owners now sign that its number is used up."
      : "Done. It is ended for good, and its money is free.";
    button.hidden = true;
  } catch (error) {
    failed(button, answer, error);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.approve");
  if (button) approve(button.closest(".sign"));
  const final = event.target.closest("button.final");
  if (final) refuse(final.closest(".refuse"));
});
