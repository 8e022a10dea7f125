// SPDX-License-Identifier: MIT
import type { Encoded } from "./encode.js";
import { IngestError, type Problem, type Receipt, tell } from "./error.js";
import type { Outcome } from "./transport.js";

/** What came of the events of one call so far. */
export interface Tally {
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

export function newTally(events: number): Tally {
  return {
    receipts: new Array<undefined>(events).fill(undefined),
    problems: [], attempts: 0, status: 0, code: "", message: "", retryable: false,
    cause: undefined,
  };
}

function list(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item) => typeof item === "object" && item !== null);
}

function text(value: unknown, otherwise = ""): string {
  return typeof value === "string" ? value : otherwise;
}

function eventAt(events: readonly Encoded[], index: unknown): Encoded | undefined {
  return typeof index === "number" ? events[index] : undefined;
}

export function problem(event: Encoded, code: string, from: Record<string, unknown>): Problem {
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
export function accept(tally: Tally, events: readonly Encoded[], outcome: Outcome): void {
  const rejected = new Map<Encoded, Record<string, unknown>>();
  // Of long batches the server lists only what it has to tell.
  for (const event of events) tally.receipts[event.index] = { id: event.key, status: "accepted" };
  for (const item of list((outcome.body as Answer).data?.events)) {
    const event = eventAt(events, item.index);
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

/** Why a request was not taken. */
export function said({status, body, failure, endpoint}: Outcome):
    {code: string; message : string}
{
    const error = (body as Answer | undefined)?.error;
    const code = text(error?.code, `http_${status}`);
    return failure ?? {
        code,
        // Of one that is not followed browsers show not even the number.
        message :
            text(error?.message,
                 `the server answered ${status || "with a redirect"}`)
                // The url of the options is then most likely not the server's.
                + (/not_found|_404/.test(code) ? `: ${endpoint}` : ""),
    };
}

/**
 * Is it the way to the gate that is shut, rather than that the gate refused
 * these events? So it is with a key that is not known yet, and with a proxy
 * that answers for a server which is just being replaced. 413 is an answer to
 * the events whoever gives it.
 */
export function isShut({ status, body }: Outcome): boolean {
  const error = (body as Answer | undefined)?.error;
  if (list(error?.problems).length) return false;
  if ([401, 403, 404].includes(status)) return true;
  return status !== 202 && status !== 413 && typeof error?.code !== "string";
}

/** Anything else: none of them was taken, as far as is known. */
export function refuse(tally: Tally, events: readonly Encoded[], outcome: Outcome): void {
  const { code, message } = said(outcome);
  const error = (outcome.body as Answer | undefined)?.error;
  const told = new Set<Encoded>();
  for (const item of list(error?.problems)) {
    const event = eventAt(events, item.index);
    if (!event) continue;
    told.add(event);
    tally.problems.push(problem(event, code, item));
  }
  for (const event of events)
    if (!told.has(event)) tally.problems.push(problem(event, code, { message }));
  fail(tally, outcome, code, message);
}

function summary(tally: Tally, total: number): string {
  const lost = tally.receipts.filter((receipt) => receipt === undefined).length;
  const first = tally.problems[0]!;
  const what = tell(first);
  if (total === 1) return tally.problems.length === 1 ? what : tally.message || what;
  return `${lost} of ${total} events were not taken; the first (index ${first.index}): ${what}`;
}

/** Only where there are problems. */
export function toError(tally: Tally): IngestError {
  tally.problems.sort((a, b) => a.index - b.index);
  return new IngestError(summary(tally, tally.receipts.length), tally);
}
