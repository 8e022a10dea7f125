// SPDX-License-Identifier: MIT
import { IngestError, type Problem, tell } from "./error.js";
import { isMadeId, makeId } from "./id.js";

/** An event as it is handed over, whatever its type. */
export interface LooseEvent {
  readonly type: string;
  readonly payload: object;
  readonly idempotencyKey?: string;
  readonly timestamp?: Date | string;
}

/** An event ready to be sent. */
export interface Encoded {
  index: number;
  key: string;
  json: string;
  bytes: number;
}

/** Per request, as the server has it by default. */
export const MAX_EVENTS = 500;
export const MAX_BYTES = 4 * 1024 * 1024;
export const ENVELOPE_BYTES = '{"events":[]}'.length;

const utf8 = new TextEncoder();

/** What JSON can only write as null, and would be taken for a value left out. */
interface Unwritable {
  path: string;
  rule: string;
  message: string;
}

/** As the server names a field: payload.items[2]["unit price"]. */
function pathOf(way: readonly (readonly [part: object, name: string])[], name: string): string {
  const names = [...way.slice(1).map(([, one]) => one), name];
  return names.reduce((path, one, i) => {
    if (Array.isArray(way[i]![0])) return `${path}[${one}]`;
    if (!/^[^\x00-\x20\x7f.[\]"'\\]+$/.test(one)) return `${path}[${JSON.stringify(one)}]`;
    return path ? `${path}.${one}` : one;
  }, "");
}

/**
 * JSON.stringify() that writes a bigint as the integer it is, since the server
 * keeps integers of any size, and that notes numbers and dates which are none.
 */
function stringify(value: object, found: Unwritable[]): string {
  let mark = "";
  // From the whole to where it writes: each object with its name in the one before.
  const way: [object, string][] = [];
  const text = JSON.stringify(value, function (this: Record<string, unknown>, name: string, part: unknown) {
    while (way.length && way[way.length - 1]![0] !== this) way.pop();
    // As it was before its toJSON(), which an application may have given to bigints.
    const raw = part === null || typeof part === "string" ? this[name] : part;
    if (typeof raw === "bigint") {
      mark ||= `bigint:${makeId()}:`;
      return mark + raw.toString();
    }
    const number = part instanceof Number ? part.valueOf() : part;
    if (typeof number === "number" && !Number.isFinite(number))
      found.push({ path: pathOf(way, name), rule: "finite", message: `is ${number}, which JSON has no number for` });
    else if (part === null && raw instanceof Date)
      found.push({ path: pathOf(way, name), rule: "date", message: "is an invalid Date" });
    else if (typeof part === "object" && part) way.push([part, name]);
    return part;
  });
  return mark ? text.replace(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1") : text;
}

/** As many bytes as it will have on its way. */
export function measure(json: string): number {
  return utf8.encode(json).length;
}

/**
 * A key of the SDK's own making is the event's id, now and when somebody sends
 * the event again with it: so it is the same event on whichever node it arrives.
 */
function write(event: LooseEvent, key: string, found: Unwritable[]): string {
  const { type, timestamp, payload } = event;
  return stringify({
    [isMadeId(key) ? "id" : "idempotencyKey"]: key,
    type,
    timestamp: timestamp instanceof Date ? timestamp.toISOString() : timestamp,
    payload,
  }, found);
}

/** Throws an IngestError with every problem. */
export function encode(event: LooseEvent, index: number): Encoded {
  const key = event?.idempotencyKey ?? makeId();
  const found: Unwritable[] = [];
  let json = "";
  let cause: unknown;
  try {
    json = write(event, key, found);
  } catch (error) {
    cause = error;
    const why = (error as Error | undefined)?.message ?? String(error);
    found.push({ path: "", rule: "", message: `cannot be written as JSON: ${why}` });
  }
  if (!found.length) return { index, key, json, bytes: measure(json) };
  const code = "invalid_event";
  const problems = found.map((one): Problem => ({ index, code, idempotencyKey: event?.idempotencyKey ?? "", ...one }));
  throw new IngestError(tell(problems[0]!), { code, problems, cause });
}

/** Cut into requests, in order. */
export function split(events: readonly Encoded[]): Encoded[][] {
  const requests: Encoded[][] = [];
  let room = 0;
  for (const event of events) {
    let request = requests[requests.length - 1];
    if (!request || request.length === MAX_EVENTS || event.bytes + 1 > room) {
      request = [];
      requests.push(request);
      room = MAX_BYTES - ENVELOPE_BYTES;
    }
    request.push(event);
    room -= event.bytes + 1;
  }
  return requests;
}

export function envelope(events: readonly Encoded[]): string {
  return `{"events":[${events.map((event) => event.json).join(",")}]}`;
}
