// SPDX-License-Identifier: MIT
import { ingestAll } from "./client.js";
import type { LooseEvent } from "./encode.js";
import type { Receipt } from "./error.js";
import type { Events } from "./events.js";
import { type Options, resolve } from "./options.js";
import { type FlushOptions, type FlushReport, Queue } from "./queue.js";

export { IngestError, type IngestErrorInit, type Problem, type Receipt } from "./error.js";
export type * from "./events.js";
export type { LostEvent, OnError } from "./loss.js";
export type { Fetch, Options } from "./options.js";
export type { FlushOptions, FlushReport } from "./queue.js";
export type { QueueOptions, StorageLike } from "./queue_options.js";

/** The declared types; any text while there are none. */
export type EventType = [keyof Events] extends [never] ? string : Extract<keyof Events, string>;

/** What an event of a type carries. */
export type Payload<T extends EventType> = T extends keyof Events ? Events[T] : object;

export interface EventOptions {
  /**
   * Events with the same key count once, within the server's window (24 h).
   * Without one each call makes an id of its own, which is the event's id and
   * its key, so that its retries count once.
   */
  idempotencyKey?: string;
  /** When it happened, if that is not now: a Date or RFC 3339 text. */
  timestamp?: Date | string;
}

/** One event of ingestBatch(). */
export type IngestEvent = {
  [T in EventType]: { type: T; payload: Payload<T> } & EventOptions;
}[EventType];

export interface Client {
  /** Send one event. Resolves once it is durable; throws IngestError. */
  ingest<T extends EventType>(
    type: T,
    payload: Payload<T>,
    options?: EventOptions,
  ): Promise<Receipt>;
  /**
   * Send many, in as many requests as it takes. Resolves with one receipt
   * each once all are durable. Where some are not taken the others are sent
   * all the same, and then it throws an IngestError that names them.
   */
  ingestBatch(events: readonly IngestEvent[]): Promise<Receipt[]>;
  /**
   * Put one event into the queue, to be sent in the background with others.
   * Returns at once and never throws; false: the event was refused. Whatever
   * is lost, then or later, is told to the option onError.
   */
  track<T extends EventType>(type: T, payload: Payload<T>, options?: EventOptions): boolean;
  /**
   * Send what waits now. Resolves when all of it is answered, or with what is
   * still pending when the time is over. Never rejects.
   */
  flush(options?: FlushOptions): Promise<FlushReport>;
  /** flush(), and then no more: what is left is lost, and told to onError. */
  close(options?: FlushOptions): Promise<FlushReport>;
}

/** A client of its own, for those who talk to several servers. */
export function createClient(options: Options = {}): Client {
  const queue = new Queue(options);
  return {
    async ingest(type, payload, { idempotencyKey, timestamp } = {}) {
      const [receipt] = await ingestAll(resolve(options), [
        { type, payload, idempotencyKey, timestamp } as LooseEvent,
      ]);
      return receipt!;
    },
    async ingestBatch(events) {
      return ingestAll(resolve(options), events as readonly LooseEvent[]);
    },
    track(type, payload, options) {
      return queue.track({ ...options, type, payload } as LooseEvent);
    },
    flush: (options) => queue.flush(options),
    close: (options) => queue.close(options),
  };
}

const standard: Options = {};
const client = createClient(standard);

/**
 * Set options of ingest(), track() and the others here; those that are left out stay. Not
 * needed where INGESTLAYER_KEY and INGESTLAYER_URL are in the environment.
 */
export function configure(options: Options): void {
  Object.assign(standard, options);
}

export const ingest: Client["ingest"] = client.ingest;
export const ingestBatch: Client["ingestBatch"] = client.ingestBatch;
export const track: Client["track"] = client.track;
export const flush: Client["flush"] = client.flush;
export const close: Client["close"] = client.close;
