// SPDX-License-Identifier: MIT
import type { LooseEvent } from "./encode.js";
import { IngestError, type Problem, tell } from "./error.js";
import { isDying, monotonic, tellAtDeath, toldAll } from "./lifecycle.js";

/** An event that track() was given and that will not arrive. */
export interface LostEvent {
  readonly type: string;
  readonly payload: object;
  readonly timestamp?: string;
  /** For ingest(), should it be sent all the same: it may have arrived. */
  readonly idempotencyKey: string;
}

/**
 * events: those that are lost, at most 1000 in one call (error.message has
 * their number). error.problems points into them.
 */
export type OnError = (error: IngestError, events: readonly LostEvent[]) => void;

function print(text: string): void {
  (globalThis as Console).console?.error?.(`ingestlayer: ${text}`);
}

/** One cause and what it costs, until it is told. */
interface Loss {
  cause: IngestError;
  events: LostEvent[];
  problems: Problem[];
  total: number;
}

const LISTED = 1000;
const LOG_PAUSE_MS = 10_000;

interface Console {
  console?: { error?(text: string): void };
}

/**
 * Losses are gathered and told in a task of their own: what the application
 * does there, such as calling track() again, cannot recurse, and a loop that
 * meets a full queue makes one call, not thousands.  A process that dies has no
 * more tasks: there they are told at once.
 */
export class Losses {
  private readonly waiting = new Map<string, Loss>();
  private loggedAt = -Infinity;
  private unlogged = 0;
  private lastLoss: IngestError | undefined;

  /** handler: read when it is called, since configure() may change it. */
  constructor(private readonly handler: () => OnError | undefined) {}

  /** problems: with the index of their event in events; none: the error's message. */
  add(cause: IngestError, events: readonly LostEvent[], problems: readonly Problem[] = []): void {
    if (!this.waiting.size) {
      setTimeout(() => this.tell(), 0);
      tellAtDeath(this.tellNow);
    }
    let loss = this.waiting.get(cause.code);
    if (!loss) this.waiting.set(cause.code, loss = { cause, events: [], problems: [], total: 0 });
    const { events: into } = loss;
    loss.total += events.length;
    const base = into.length;
    const fitting = Math.min(events.length, LISTED - base);
    for (let i = 0; i < fitting; i++) into.push(events[i]!);
    const told = new Set<number>();
    for (const one of problems)
      if (one.index < fitting) {
        told.add(one.index);
        loss.problems.push({ ...one, index: base + one.index });
      }
    for (let i = 0; i < fitting; i++)
      if (!told.has(i))
        loss.problems.push({
          index: base + i, code: cause.code, message: cause.message, path: "", rule: "",
          idempotencyKey: events[i]!.idempotencyKey,
        });
    if (isDying()) this.tellNow();
  }

  /** Nothing is lost yet, but who sees it can prevent it. */
  warn(text: string): void {
    if (!this.handler()) print(text);
  }

  private readonly tellNow = (): void => {
    this.loggedAt = -Infinity;
    this.tell();
    if (this.unlogged) this.print();
    toldAll(this.tellNow);
  };

  private tell(): void {
    const losses = [...this.waiting.values()];
    this.waiting.clear();
    for (const { cause, events, problems, total } of losses) {
      const first = problems[0];
      const what = first ? tell(first) : cause.message;
      const message = total === 1 ? what : `${total} events are lost: ${what}`;
      const { status, code, retryable, attempts } = cause;
      const error = new IngestError(message, {
        status, code, problems, retryable, attempts, cause: cause.cause,
      });
      try {
        const handler = this.handler();
        if (!handler) {
          this.log(error, total);
          continue;
        }
        // It may be async all the same.
        const result = handler(error, events) as unknown;
        if (result instanceof Promise) result.catch(() => undefined);
      } catch {
        // Not into the application: nobody waits for this.
      }
    }
    if (!this.waiting.size && !this.unlogged) toldAll(this.tellNow);
  }

  private log(error: IngestError, total: number): void {
    this.unlogged += total;
    this.lastLoss = error;
    if (monotonic() - this.loggedAt >= LOG_PAUSE_MS) this.print();
  }

  private print(): void {
    print(`events lost: ${this.unlogged}; ${this.lastLoss?.code}: ${this.lastLoss?.message}`);
    this.loggedAt = monotonic();
    this.unlogged = 0;
  }
}

/** One that never became JSON. */
export function lostLoose(event: LooseEvent): LostEvent {
  const { type, payload, timestamp, idempotencyKey = "" } = event;
  const text = timestamp instanceof Date
    ? Number.isNaN(timestamp.getTime()) ? undefined : timestamp.toISOString()
    : timestamp;
  return { type, payload, idempotencyKey, ...(text !== undefined && { timestamp: text }) };
}

/** One that waited as JSON. */
export function lostJson(json: string): LostEvent {
  const { id, ...event } = JSON.parse(json) as Omit<LostEvent, "idempotencyKey"> & { id?: string };
  return { idempotencyKey: id!, ...event };
}
