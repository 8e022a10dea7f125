// SPDX-License-Identifier: MIT
interface Crypto {
  getRandomValues(bytes: Uint8Array): Uint8Array;
}

const crypto = (globalThis as unknown as { crypto?: Crypto }).crypto;

const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * An id that no other event has, as the server makes them: a ULID, so that a
 * table's index of them grows at its end.
 *
 * Node 18 has no global crypto. There Math.random() has to do: what is needed
 * is that ids differ, not that nobody can guess them.
 */
export function makeId(): string {
  const random: ArrayLike<number> = crypto?.getRandomValues(new Uint8Array(16)) ?? { length: 16 };
  let id = Array.from(random, (part) => digits[(part ?? Math.random() * 32) & 31]).join("");
  for (let ms = Date.now(); id.length < 26; ms /= 32) id = digits[(ms % 32) | 0] + id;
  return `evt_${id}`;
}

/** Might it be one of them? */
export function isMadeId(text: string): boolean {
  return /^evt_[\dA-Z]{26}$/.test(text);
}
