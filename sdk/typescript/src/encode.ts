// SPDX-License-Identifier: MIT
import { makeKey } from "./key.js";

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

/**
 * JSON.stringify() that writes a bigint as the integer it is: the server keeps
 * integers of any size.
 */
function stringify(value: unknown): string {
  let mark = "";
  const text = JSON.stringify(value, (_name, part: unknown) => {
    if (typeof part !== "bigint") return part;
    mark ||= `bigint:${makeKey()}:`;
    return mark + part.toString();
  });
  return mark ? text.replace(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1") : text;
}

/** As many bytes as it will have on its way. */
export function measure(json: string): number {
  return utf8.encode(json).length;
}

/** Throws what JSON.stringify() or toISOString() throws. */
export function encode(event: LooseEvent, index: number): Encoded {
  const key = event.idempotencyKey ?? makeKey();
  const { timestamp } = event;
  const json = stringify({
    type: event.type,
    idempotencyKey: key,
    timestamp: timestamp instanceof Date ? timestamp.toISOString() : timestamp,
    payload: event.payload,
  });
  return { index, key, json, bytes: measure(json) };
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
