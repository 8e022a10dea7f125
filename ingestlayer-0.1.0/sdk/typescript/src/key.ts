// SPDX-License-Identifier: MIT
interface Crypto {
  randomUUID?(): string;
  getRandomValues?(bytes: Uint8Array): Uint8Array;
}

const crypto = (globalThis as unknown as { crypto?: Crypto }).crypto;

/**
 * A key that no other event has: a random UUID.
 *
 * randomUUID() is missing on pages without TLS, and Node 18 has no global
 * crypto at all. There Math.random() has to do: what is needed is that keys
 * differ, not that nobody can guess them.
 */
export function makeKey(): string {
  if (crypto?.randomUUID) return crypto.randomUUID();
  const bytes = new Uint8Array(16);
  if (crypto?.getRandomValues) crypto.getRandomValues(bytes);
  else for (let i = 0; i < 16; i++) bytes[i] = Math.floor(Math.random() * 256);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
