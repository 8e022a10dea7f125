// SPDX-License-Identifier: MIT
import { gzip } from "./compress.js";
import { ENVELOPE_BYTES, type Encoded, envelope } from "./encode.js";
import { TIMER_MAX_MS, monotonic } from "./lifecycle.js";
import type { Settings } from "./options.js";

/** How a request ended, after all its attempts. */
export interface Outcome {
  /** 0: no answer. */
  status: number;
  /** The answer, parsed; undefined where it is no JSON. */
  body: unknown;
  /** Where the request went. */
  endpoint?: string;
  /** Where the SDK rather than the server has to say what happened. */
  failure?: { code: string; message: string; cause?: unknown };
  /** Might the same request succeed later? */
  transient: boolean;
  /** Not before the server wants it. */
  retryAfterMs?: number;
  attempts: number;
}

type Attempt = Omit<Outcome, "attempts">;

/** A body as it travels. */
export interface Packed {
  /** How many events it has: the answer must be about as many. */
  events: number;
  body: string | ArrayBuffer;
  gzip: boolean;
}

const PAUSE_MAX_MS = 10_000;

/** Servers, or proxies in front of them, that did not take gzip. */
const plainOnly = new Set<string>();

function transientStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** Retry-After: seconds or a date. */
export function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * A 202 of somebody else, one that was cut short, or one about other events
 * promises nothing.
 */
function isReceipt(answer: unknown, events: number): boolean {
  const data = (answer as { data?: Record<string, unknown> } | null | undefined)?.data;
  if (!Array.isArray(data?.events)) return false;
  const { accepted, duplicates = 0, rejected = 0 } = data;
  return Number(accepted) + Number(duplicates) + Number(rejected) === events;
}

const page = globalThis as { location?: { origin?: string }; document?: object };

/** Does the server live elsewhere than the page, so that the browser asks it first? */
function isElsewhere(endpoint: string): boolean {
  const { location, document } = page;
  return document !== undefined && location !== undefined && location.origin !== new URL(endpoint).origin;
}

/**
 * How to show the key. A page that is left has no time to wait until the
 * browser has asked the server: it sends what a form could send, as a beacon
 * does. That puts the key into the URL, which the server takes of publishable
 * keys alone.
 */
function address(settings: Settings, packed: Packed, keepalive: boolean) {
  const { endpoint, apiKey } = settings;
  if (keepalive && isElsewhere(endpoint))
    return { url: `${endpoint}?key=${encodeURIComponent(apiKey)}`, headers: { "Content-Type": "text/plain" } };
  return {
    url: endpoint,
    headers: {
      "Authorization": `Bearer ${apiKey}`,
      "Content-Type": "application/json",
      ...(packed.gzip && { "Content-Encoding": "gzip" }),
    },
  };
}

async function exchange(settings: Settings, packed: Packed, signal: unknown, keepalive: boolean): Promise<Attempt> {
  // Not as a method: a browser's own wants no other object as its this.
  const { fetch, endpoint } = settings;
  const { url, headers } = address(settings, packed, keepalive);
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: packed.body,
    redirect: "manual", // following one would turn the POST into a GET
    signal,
    ...(keepalive && { keepalive }),
  });
  // Part of the attempt: an answer that breaks off is no answer.
  const answer = parse(await response.text());
  const { status } = response;
  if (status === 202 && !isReceipt(answer, packed.events))
    return {
      status, body: undefined, transient: true,
      failure: { code: "invalid_response", message: "the answer is not one of ingestlayer" },
    };
  return {
      status,
      body : answer,
      endpoint,
      transient : transientStatus(status),
      retryAfterMs :
          retryAfter(response.headers.get("Retry-After"), Date.now()),
  };
}

/** One request, begun before this returns. Never throws. */
export async function attempt(
  settings: Settings,
  packed: Packed,
  limitMs: number,
  keepalive = false,
): Promise<Attempt> {
  const controller = new AbortController();
  let late = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  // A fetch() of the caller's own may know nothing of signals.
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late = true;
      controller.abort();
      reject(new Error("timeout"));
    }, Math.min(limitMs, TIMER_MAX_MS));
  });
  try {
    return await Promise.race([exchange(settings, packed, controller.signal, keepalive), limit]);
  } catch (cause) {
    const failure = late
      ? { code: "timeout", message: `no answer within ${Math.round(limitMs)} ms`, cause }
      : { code: "network", message: `cannot reach ${settings.endpoint}`, cause };
    return { status: 0, body: undefined, transient: true, failure };
  } finally {
    clearTimeout(timer);
  }
}

export function plain(events: readonly Encoded[]): Packed {
  return { events: events.length, body: envelope(events), gzip: false };
}

async function pack(settings: Settings, events: readonly Encoded[]): Promise<Packed> {
  const packed = plain(events);
  const bytes = events.reduce((sum, event) => sum + event.bytes + 1, ENVELOPE_BYTES);
  if (bytes < settings.gzipBytes || plainOnly.has(settings.endpoint)) return packed;
  const body = await gzip(packed.body as string, bytes);
  return body ? { ...packed, body, gzip: true } : packed;
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, Math.min(ms, TIMER_MAX_MS)));
}

/** How long to wait after so many failures in a row. */
export function backoff(firstMs: number, maxMs: number, failures: number, retryAfterMs?: number): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  const jittered = full * (0.5 + Math.random() / 2);
  // Not before the server wants it, and not everybody at the same instant.
  return retryAfterMs === undefined ? jittered : retryAfterMs + jittered / 2;
}

/**
 * POST events, again where that can help, until the time is over. The body,
 * and with it every idempotency key, is the same each time.
 */
export async function post(settings: Settings, events: readonly Encoded[]): Promise<Outcome> {
  const deadline = monotonic() + settings.timeoutMs;
  let packed = await pack(settings, events);
  for (let attempts = 1, failures = 1; ; attempts++, failures++) {
    const left = Math.max(1, deadline - monotonic());
    const last = await attempt(settings, packed, Math.min(left, settings.attemptTimeoutMs));
    if (last.status === 415 && packed.gzip) {
      plainOnly.add(settings.endpoint);
      packed = plain(events);
      failures = 0;
      continue;
    }
    if (!last.transient || failures > settings.retries) return { ...last, attempts };
    const wait = backoff(settings.retryDelayMs, PAUSE_MAX_MS, failures, last.retryAfterMs);
    if (monotonic() + wait >= deadline) return { ...last, attempts };
    await pause(wait);
  }
}
