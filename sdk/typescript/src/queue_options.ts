// SPDX-License-Identifier: MIT
import { IngestError } from "./error.js";

/** What a Storage of the web has; also of one's own, as in React Native. */
export interface StorageLike {
  readonly length: number;
  key(index: number): string | null;
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** Of track(). */
export interface QueueOptions {
  /** Most events that wait. Default 10 000; on pages 1 000. */
  maxEvents?: number;
  /** Most bytes that wait. Default 8 MiB; on pages 1 MiB. */
  maxBytes?: number;
  /** Which are refused when it is full, through onError. Default "newest". */
  whenFull?: "newest" | "oldest";
  /** Send as soon as so many wait. Default 100. */
  flushAt?: number;
  /** Send as soon as so many bytes wait. Default 256 KiB; on pages 32 KiB. */
  flushBytes?: number;
  /** Send what has waited so long. Default 1000. */
  flushIntervalMs?: number;
  /**
   * Give up an event so long after it was first sent without an answer. The
   * server forgets its key after 24 hours: then it could count twice.
   * Default 23 hours.
   */
  maxAgeMs?: number;
  /**
   * Keep an event so long that is answered with 401, 403 or 404, or by
   * somebody else than ingestlayer: a key may be about to be known, and a
   * proxy's server about to be back. Default 10 minutes; 0: lose it at once.
   */
  maxShutMs?: number;
  /** Where Node is about to exit: wait so long for what is left. Default 5000. */
  exitTimeoutMs?: number;
  /** In Node: flush on these signals, then die of them. Default: none. */
  exitSignals?: readonly ("SIGTERM" | "SIGINT" | "SIGHUP")[];
  /**
   * Where events wait through a reload of the page. Default: localStorage on
   * pages; false: nowhere.
   */
  storage?: StorageLike | false;
}

export type QueueSettings = Required<Omit<QueueOptions, "storage">> & {
  storage: StorageLike | undefined;
};

export function misconfigured(message: string): IngestError {
  return new IngestError(message, { code: "not_configured" });
}

export function count(
  name: string,
  value: number | undefined,
  standard: number,
  least: number,
): number {
  if (value === undefined) return standard;
  if (typeof value !== "number" || !(value >= least))
    throw misconfigured(`${name} must be a number of at least ${least}`);
  return value;
}

const page = globalThis as unknown as { document?: object; localStorage?: StorageLike };

function pageStorage(): StorageLike | undefined {
  try {
    // Node and Deno have one, too, that is not meant for this.
    return page.document ? page.localStorage : undefined;
  } catch {
    return undefined; // forbidden by the visitor
  }
}

export function resolveQueue(options: QueueOptions = {}): QueueSettings {
  const onPage = page.document !== undefined;
  const { whenFull = "newest", exitSignals = [], storage } = options;
  if (whenFull !== "newest" && whenFull !== "oldest")
    throw misconfigured('queue.whenFull must be "newest" or "oldest"');
  if (!Array.isArray(exitSignals))
    throw misconfigured('queue.exitSignals must be a list, as in ["SIGTERM"]');
  return {
    maxEvents: count("queue.maxEvents", options.maxEvents, onPage ? 1_000 : 10_000, 1),
    maxBytes: count("queue.maxBytes", options.maxBytes, (onPage ? 1 : 8) * 2 ** 20, 1),
    whenFull,
    flushAt: count("queue.flushAt", options.flushAt, 100, 1),
    flushBytes: count("queue.flushBytes", options.flushBytes, (onPage ? 32 : 256) * 1024, 1),
    flushIntervalMs: count("queue.flushIntervalMs", options.flushIntervalMs, 1000, 0),
    maxAgeMs: count("queue.maxAgeMs", options.maxAgeMs, 23 * 3_600_000, 1),
    maxShutMs: count("queue.maxShutMs", options.maxShutMs, 10 * 60_000, 0),
    exitTimeoutMs: count("queue.exitTimeoutMs", options.exitTimeoutMs, 5000, 0),
    exitSignals,
    storage: storage === undefined ? pageStorage() : storage || undefined,
  };
}
