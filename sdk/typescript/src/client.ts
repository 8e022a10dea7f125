// SPDX-License-Identifier: MIT
import { type Encoded, type LooseEvent, encode, envelope, split } from "./encode.js";
import { IngestError, type Problem, type Receipt } from "./error.js";
import type { Settings } from "./options.js";
import { type Outcome, post } from "./transport.js";

/** What came of the events of one call so far. */
interface Tally {
  receipts: (Receipt | undefined)[];
  problems: Problem[];
  attempts: number;
  /** Of the request that went worst. */
  status: number;
  code: string;
  message: string;
  retryable: boolean;
  cause: unknown;
}

/** The answers' shapes; nothing in them is taken for granted. */
interface Answer {
  data?: { events?: unknown };
  error?: { message?: unknown; code?: unknown; problems?: unknown };
}

function list(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item) => typeof item === "object" && item !== null);
}

function text(value: unknown, otherwise = ""): string {
  return typeof value === "string" ? value : otherwise;
}

function problem(event: Encoded, code: string, from: Record<string, unknown>): Problem {
  return {
    index: event.index,
    code: text(from.code, code),
    message: text(from.message, "the event was refused"),
    path: text(from.path),
    rule: text(from.rule),
    idempotencyKey: event.key,
  };
}

function fail(tally: Tally, outcome: Outcome, code: string, message: string): void {
  tally.status = outcome.status;
  tally.code = code;
  tally.message = message;
  tally.retryable = outcome.transient;
  tally.cause = outcome.failure?.cause;
}

/** 202: read what became of each. */
function accept(tally: Tally, events: readonly Encoded[], outcome: Outcome): void {
  const rejected = new Map<Encoded, Record<string, unknown>>();
  // Of long batches the server lists only what it has to tell.
  for (const event of events) tally.receipts[event.index] = { id: event.key, status: "accepted" };
  for (const item of list((outcome.body as Answer).data?.events)) {
    const event = events[item.index as number];
    if (!event) continue;
    if (item.status === "accepted" || item.status === "duplicate") {
      tally.receipts[event.index] = { id: text(item.id, event.key), status: item.status };
    } else {
      tally.receipts[event.index] = undefined;
      rejected.set(event, item);
    }
  }
  for (const [event, item] of rejected) {
    const code = text(item.code, "rejected");
    const problems = list(item.problems);
    for (const one of problems.length ? problems : [item])
      tally.problems.push(problem(event, code, one));
    if (!tally.code) fail(tally, outcome, code, "");
  }
}

/** Anything else: none of them was taken, as far as is known. */
function refuse(tally: Tally, events: readonly Encoded[], outcome: Outcome): void {
  const error = (outcome.body as Answer | undefined)?.error;
  const code = outcome.failure?.code ?? text(error?.code, `http_${outcome.status}`);
  const message = outcome.failure?.message
    ?? text(error?.message, `the server answered ${outcome.status}`);
  const told = new Set<Encoded>();
  for (const item of list(error?.problems)) {
    const event = events[item.index as number];
    if (!event) continue;
    told.add(event);
    tally.problems.push(problem(event, code, item));
  }
  for (const event of events)
    if (!told.has(event)) tally.problems.push(problem(event, code, { message }));
  fail(tally, outcome, code, message);
}

/**
 * Send one request and note what came of it. False: there is no point in
 * sending the next.
 */
async function send(settings: Settings, events: Encoded[], tally: Tally): Promise<boolean> {
  const outcome = await post(settings, envelope(events));
  tally.attempts += outcome.attempts;
  if (outcome.status === 202 && !outcome.failure) {
    accept(tally, events, outcome);
    return true;
  }
  // A server with smaller limits than ours: halves may pass.
  if (outcome.status === 413 && events.length > 1) {
    const middle = events.length >> 1;
    return (await send(settings, events.slice(0, middle), tally))
      && send(settings, events.slice(middle), tally);
  }
  refuse(tally, events, outcome);
  return !outcome.transient && [400, 413, 422].includes(outcome.status);
}

function summary(tally: Tally, total: number): string {
  const lost = tally.receipts.filter((receipt) => receipt === undefined).length;
  const first = tally.problems[0]!;
  const what = `${first.path ? `${first.path}: ` : ""}${first.message}`;
  if (total === 1) return tally.problems.length === 1 ? what : tally.message || what;
  return `${lost} of ${total} events were not taken; the first (index ${first.index}): ${what}`;
}

/** Send events and hand back their receipts, or throw once all were tried. */
export async function ingestAll(
  settings: Settings,
  events: readonly LooseEvent[],
): Promise<Receipt[]> {
  const tally: Tally = {
    receipts: new Array<undefined>(events.length).fill(undefined),
    problems: [], attempts: 0, status: 0, code: "", message: "", retryable: false,
    cause: undefined,
  };
  const encoded: Encoded[] = [];
  events.forEach((event, index) => {
    try {
      encoded.push(encode(event, index));
    } catch (cause) {
      tally.code = "invalid_event";
      tally.cause = cause;
      tally.problems.push({
        index, code: "invalid_event", path: "", rule: "",
        message: `cannot be written as JSON: ${(cause as Error).message}`,
        idempotencyKey: event?.idempotencyKey ?? "",
      });
    }
  });
  const requests = split(encoded);
  while (requests.length && (await send(settings, requests.shift()!, tally)));
  // What the last failure left unsent.
  for (const event of requests.flat())
    tally.problems.push(problem(event, tally.code, { message: `not sent: ${tally.message}` }));
  if (!tally.problems.length) return tally.receipts as Receipt[];
  tally.problems.sort((a, b) => a.index - b.index);
  throw new IngestError(summary(tally, events.length), tally);
}
