// SPDX-License-Identifier: MIT
import { type Encoded, type LooseEvent, encode, split } from "./encode.js";
import type { IngestError, Receipt } from "./error.js";
import type { Settings } from "./options.js";
import { type Tally, accept, newTally, problem, refuse, toError } from "./tally.js";
import { post } from "./transport.js";

/**
 * Send one request and note what came of it. False: there is no point in
 * sending the next.
 */
async function send(settings: Settings, events: Encoded[], tally: Tally): Promise<boolean> {
  const outcome = await post(settings, events);
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

/** Send events and hand back their receipts, or throw once all were tried. */
export async function ingestAll(
  settings: Settings,
  events: readonly LooseEvent[],
): Promise<Receipt[]> {
  const tally = newTally(events.length);
  const encoded: Encoded[] = [];
  events.forEach((event, index) => {
    try {
      encoded.push(encode(event, index));
    } catch (error) {
      const { code, cause, message, problems } = error as IngestError;
      Object.assign(tally, { code, cause, message });
      tally.problems.push(...problems);
    }
  });
  for (const request of split(encoded)) if (!(await send(settings, request, tally))) break;
  // What the last failure left unsent; halves of a request that was cut count, too.
  const told = new Set(tally.problems.map(({ index }) => index));
  for (const event of encoded)
    if (!tally.receipts[event.index] && !told.has(event.index))
      tally.problems.push(problem(event, tally.code, { message: `not sent: ${tally.message}` }));
  if (!tally.problems.length) return tally.receipts as Receipt[];
  throw toError(tally);
}
