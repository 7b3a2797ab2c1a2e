// Signs a payment with the approver's own wallet (EIP-1193, found by EIP-6963).
//
// What the wallet is given is checked here once more against the words on the card's data: the
// payment must name the hash of the very SafeTx that is signed beside it.

const wallets = [];
window.addEventListener("eip6963:announceProvider", (event) => wallets.push(event.detail));
window.dispatchEvent(new Event("eip6963:requestProvider"));

const provider = () => wallets[0]?.provider ?? window.ethereum;

async function sign(box) {
  const wallet = provider();
  if (!wallet) {
    throw new Error("No wallet was found in this browser. Open the console where your wallet is.");
  }
  const expected = box.dataset.address;
  const accounts = await wallet.request({ method: "eth_requestAccounts" });
  if (!accounts.some((each) => each.toLowerCase() === expected.toLowerCase())) {
    throw new Error(`Your wallet offers another account. Choose ${expected} in it and try again.`);
  }
  const ask = (data) =>
    wallet.request({ method: "eth_signTypedData_v4", params: [expected, JSON.stringify(data)] });
  if (box.dataset.order) return { signature: await ask(JSON.parse(box.dataset.order)) };
  const safeTx = JSON.parse(box.dataset.safeTx);
  const payment = JSON.parse(box.dataset.payment);
  check(safeTx.message, payment.message);
  return { safe_tx_signature: await ask(safeTx), payment_signature: await ask(payment) };
}

function check(safeTx, payment) {
  const native = /^0x0{40}$/.test(payment.token);
  const units = BigInt(payment.units).toString(16).padStart(64, "0");
  const word = payment.to.slice(2).toLowerCase().padStart(64, "0");
  const same = native
    ? lower(safeTx.to) === lower(payment.to) && BigInt(safeTx.value) === BigInt(payment.units) && safeTx.data === "0x"
    : lower(safeTx.to) === lower(payment.token) && BigInt(safeTx.value) === 0n && safeTx.data === `0xa9059cbb${word}${units}`;
  if (!same || Number(safeTx.operation) !== 0) {
    throw new Error("The transaction does not say what the payment says. Do not sign; call us.");
  }
}

const lower = (text) => text.toLowerCase();

async function approve(box) {
  const button = box.querySelector("button");
  const answer = box.querySelector(".answer");
  button.disabled = true;
  answer.className = "answer";
  answer.textContent = box.dataset.order
    ? "Your wallet asks you once, for the order."
    : "Your wallet asks you twice: for the transaction, and for the payment in words.";
  try {
    const signatures = await sign(box);
    const response = await fetch(`/console/withdrawals/${box.dataset.withdrawal}/approvals`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(signatures),
    });
    const body = await response.json();
    if (!response.ok) throw new Error(body.detail ?? "It was refused.");
    answer.className = "answer done";
    answer.textContent =
      body.state === "awaiting_approval" ? "Signed. It waits for somebody else." : "Signed. The payment goes out.";
    button.hidden = true;
  } catch (error) {
    answer.className = "answer problem";
    answer.textContent = error.message ?? String(error);
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.approve");
  if (button) approve(button.closest(".sign"));
});
