// SPDX-License-Identifier: MIT
import type { StorageLike } from "./queue_options.js";

/** An event as it waits through a reload. */
export interface Stored {
  key: string;
  json: string;
  /** When it was queued; when it was first sent, 0: never. */
  at: number;
  tried: number;
}

const NAME = "ingestlayer:";
const STALE_MS = 30 * 86_400_000;

/** Enough to tell servers and keys apart, and does not show the key. */
function fnv(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** Nothing that another script left there is taken for granted. */
function parse(key: string, text: string | null): Stored | undefined {
  try {
    const { json, at, tried } = JSON.parse(text ?? "") as Record<string, unknown>;
    if (typeof json !== "string" || typeof at !== "number" || typeof tried !== "number")
      return undefined;
    const event = JSON.parse(json) as Record<string, unknown>;
    if ((event.id ?? event.idempotencyKey) !== key || typeof event.type !== "string") return undefined;
    return { key, json, at, tried };
  } catch {
    return undefined;
  }
}

/**
 * One entry for each event, named by its key: pages that are open at the same
 * time share the store without overwriting each other, and what two of them
 * send counts once, because the key goes along.
 */
export class Store {
  private readonly prefix: string;

  constructor(private readonly storage: StorageLike, endpoint: string, apiKey: string) {
    this.prefix = `${NAME}${fnv(`${endpoint}\n${apiKey}`)}:`;
  }

  /**
   * In the order in which they were queued. What cannot be read is removed, and
   * so is what was queued with another key so long ago that nobody has that key
   * any more: what was sent with one must not be sent with another.
   */
  load(): { found: Stored[]; stale: Stored[] } {
    const found: Stored[] = [];
    const stale: Stored[] = [];
    try {
      const names: string[] = [];
      for (let i = 0; i < this.storage.length; i++) {
        const name = this.storage.key(i);
        if (name?.startsWith(NAME)) names.push(name);
      }
      for (const name of names) {
        const isOurs = name.startsWith(this.prefix);
        const stored = parse(name.slice(this.prefix.length), this.storage.getItem(name));
        if (stored && isOurs) {
          found.push(stored);
        } else if (isOurs) {
          this.storage.removeItem(name);
        } else if (stored && Date.now() - stored.at > STALE_MS) {
          stale.push(stored);
          this.storage.removeItem(name);
        }
      }
    } catch {
      // Without a store nothing outlives the page; the queue works all the same.
    }
    return { found: found.sort((a, b) => a.at - b.at), stale };
  }

  /** False: it is full, or forbidden. */
  put({ key, json, at, tried }: Stored): boolean {
    try {
      this.storage.setItem(this.prefix + key, JSON.stringify({ at, tried, json }));
      return true;
    } catch {
      return false;
    }
  }

  remove(key: string): void {
    try {
      this.storage.removeItem(this.prefix + key);
    } catch {
      // as above
    }
  }

  has(key: string): boolean {
    try {
      return this.storage.getItem(this.prefix + key) !== null;
    } catch {
      return true;
    }
  }
}
