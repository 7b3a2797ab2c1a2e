// Says of each address on the page whether this browser could verify it. The custodian's attest key is
// not the server's to name: people compare it once with what they have on paper, and it stays here.

import { verify } from "./provenance.js";

const list = document.querySelector("#addresses");
const pinned = `strongroom.attest.${list.dataset.chain}.${list.dataset.organisation}`;

function say(row, kind, words) {
  const place = row.querySelector(".verdict");
  place.className = `verdict ${kind}`;
  place.textContent = words;
}

async function judge(row) {
  const known = localStorage.getItem(pinned);
  try {
    const shown = JSON.parse(row.dataset.shown);
    const signer = await verify({ ...shown, organisation: list.dataset.organisation, chainId: list.dataset.chain });
    if (known === null) {
      say(row, "open", `signed by ${signer}`);
      return signer;
    }
    if (signer === known) say(row, "done", "verified here");
    else say(row, "problem", `not verified: signed by ${signer}, not by the custodian's key ${known}`);
  } catch (error) {
    say(row, "problem", `not verified: ${error.message} Do not pay to it; call us.`);
  }
  return null;
}

async function look() {
  const box = document.querySelector("#attest");
  const signers = new Set();
  for (const row of list.querySelectorAll("[data-shown]")) {
    const signer = await judge(row);
    if (signer) signers.add(signer);
  }
  box.hidden = signers.size === 0;
  box.querySelector(".key").textContent = [...signers].join(" and ");
  box.querySelector("button").hidden = signers.size !== 1;
}

document.querySelector("#attest button").addEventListener("click", () => {
  localStorage.setItem(pinned, document.querySelector("#attest .key").textContent);
  look();
});
look();
