// Who signed: public-key recovery on secp256k1 (SEC 1, 4.1.6). Public values only: nothing here is
// secret, so nothing here needs constant time.

import { keccak256 } from "./keccak.js";

const P = 2n ** 256n - 2n ** 32n - 977n;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
];

const mod = (a, m) => ((a % m) + m) % m;

function power(base, exponent, m) {
  let result = 1n;
  for (let b = base % m, e = exponent; e > 0n; e >>= 1n, b = (b * b) % m) {
    if (e & 1n) result = (result * b) % m;
  }
  return result;
}

const inverse = (a, m) => power(mod(a, m), m - 2n, m);

// Points are Jacobian, (X / Z^2, Y / Z^3): Z = 0 is the point at infinity.
function double([x, y, z]) {
  const yy = (y * y) % P;
  const s = (4n * x * yy) % P;
  const m = (3n * x * x) % P;
  const x3 = mod(m * m - 2n * s, P);
  return [x3, mod(m * (s - x3) - 8n * yy * yy, P), (2n * y * z) % P];
}

function add(a, b) {
  if (a[2] === 0n) return b;
  if (b[2] === 0n) return a;
  const [za, zb] = [(a[2] * a[2]) % P, (b[2] * b[2]) % P];
  const [ua, ub] = [(a[0] * zb) % P, (b[0] * za) % P];
  const [sa, sb] = [(a[1] * zb * b[2]) % P, (b[1] * za * a[2]) % P];
  const [h, r] = [mod(ub - ua, P), mod(sb - sa, P)];
  if (h === 0n) return r === 0n ? double(a) : [1n, 1n, 0n];
  const hh = (h * h) % P;
  const hhh = (h * hh) % P;
  const v = (ua * hh) % P;
  const x = mod(r * r - hhh - 2n * v, P);
  return [x, mod(r * (v - x) - sa * hhh, P), (h * a[2] * b[2]) % P];
}

// u * G + v * R in one pass over the bits.
function sum(u, v, point) {
  const base = [...G, 1n];
  const table = [null, base, point, add(base, point)];
  let found = [1n, 1n, 0n];
  for (let bit = 255n; bit >= 0n; bit--) {
    found = double(found);
    const pick = Number(((u >> bit) & 1n) | (((v >> bit) & 1n) << 1n));
    if (pick) found = add(found, table[pick]);
  }
  return found;
}

const number = (bytes) => bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
const hex = (value) => value.toString(16).padStart(64, "0");

export const bytesOf = (text) => {
  if (!/^0x([0-9a-f]{2})*$/i.test(text)) throw new Error(`${text} is no hex text.`);
  return Uint8Array.from(text.slice(2).match(/../g) ?? [], (pair) => parseInt(pair, 16));
};
export const hexOf = (bytes) => "0x" + Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");

// The address, lower-case hex, whose key signed the 32-byte digest. The signature is r, s, v with
// v 27 or 28 and a low s: each other form is refused, so that a signature has one form only.
export function recoverAddress(digest, signature) {
  const [r, s, v] = [number(signature.slice(0, 32)), number(signature.slice(32, 64)), signature[64]];
  if (signature.length !== 65 || r === 0n || r >= N || s === 0n || s > N / 2n || (v !== 27 && v !== 28)) {
    throw new Error("The signature can't be read.");
  }
  const square = mod(r * r * r + 7n, P);
  let y = power(square, (P + 1n) / 4n, P);
  if ((y * y) % P !== square) throw new Error("The signature can't be read.");
  if (Number(y & 1n) !== v - 27) y = P - y;
  const back = inverse(r, N);
  const [x, yy, z] = sum(mod(-number(digest) * back, N), mod(s * back, N), [r, y, 1n]);
  if (z === 0n) throw new Error("The signature can't be read.");
  const zi = inverse(z, P);
  const zz = (zi * zi) % P;
  const key = bytesOf("0x" + hex((x * zz) % P) + hex((yy * zz * zi) % P));
  return hexOf(keccak256(key).slice(12));
}
