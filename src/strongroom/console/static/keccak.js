// Keccak-256 as Ethereum uses it (padding 0x01, not SHA-3's 0x06). Bytes in, 32 bytes out.

const MASK = (1n << 64n) - 1n;
const turn = (word, by) => ((word << by) | (word >> (64n - by))) & MASK;

// The round constants come from the LFSR of FIPS 202, 3.2.5; the offsets from 3.2.2.
const ROUNDS = (() => {
  const found = [];
  let state = 1;
  for (let round = 0; round < 24; round++) {
    let constant = 0n;
    for (let bit = 0; bit < 7; bit++) {
      if (state & 1) constant |= 1n << ((1n << BigInt(bit)) - 1n);
      state <<= 1;
      if (state & 0x100) state ^= 0x171;
    }
    found.push(constant);
  }
  return found;
})();
const PLACES = (() => {
  const found = [];
  let [x, y] = [1, 0];
  for (let t = 0; t < 24; t++) {
    found.push([x + 5 * y, BigInt((((t + 1) * (t + 2)) / 2) % 64)]);
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  return found;
})();

function permute(a) {
  for (const constant of ROUNDS) {
    const column = [0, 1, 2, 3, 4].map((x) => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]);
    for (let i = 0; i < 25; i++) a[i] ^= column[(i + 4) % 5] ^ turn(column[(i + 1) % 5], 1n);
    const b = [a[0]];
    for (const [place, by] of PLACES) {
      const [x, y] = [place % 5, Math.floor(place / 5)];
      b[y + 5 * ((2 * x + 3 * y) % 5)] = by ? turn(a[place], by) : a[place];
    }
    for (let i = 0; i < 25; i++) {
      const row = i - (i % 5);
      a[i] = b[i] ^ (b[row + ((i + 1) % 5)] ^ MASK) & b[row + ((i + 2) % 5)];
    }
    a[0] ^= constant;
  }
}

export function keccak256(bytes) {
  const rate = 136;
  const padded = new Uint8Array((Math.floor(bytes.length / rate) + 1) * rate);
  padded.set(bytes);
  padded[bytes.length] ^= 0x01;
  padded[padded.length - 1] ^= 0x80;
  const words = new DataView(padded.buffer);
  const a = Array(25).fill(0n);
  for (let block = 0; block < padded.length; block += rate) {
    for (let i = 0; i < rate / 8; i++) a[i] ^= words.getBigUint64(block + 8 * i, true);
    permute(a);
  }
  const out = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 4; i++) out.setBigUint64(8 * i, a[i], true);
  return new Uint8Array(out.buffer);
}
