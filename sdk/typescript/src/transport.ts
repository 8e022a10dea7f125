// SPDX-License-Identifier: MIT
import type { Settings } from "./options.js";

/** How a request ended, after all its attempts. */
export interface Outcome {
  /** 0: no answer. */
  status: number;
  /** The answer, parsed; undefined where it is no JSON. */
  body: unknown;
  /** Where the SDK rather than the server has to say what happened. */
  failure?: { code: string; message: string; cause?: unknown };
  /** Might the same request succeed later? */
  transient: boolean;
  attempts: number;
}

interface Attempt extends Omit<Outcome, "attempts"> {
  retryAfterMs?: number;
}

const PAUSE_MAX_MS = 10_000;

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

/** A 202 of somebody else, or one that was cut short, promises nothing. */
function isReceipt(answer: unknown): boolean {
  return Array.isArray((answer as { data?: { events?: unknown } } | null | undefined)?.data?.events);
}

/** One request. Never throws. */
async function attempt(settings: Settings, body: string, limitMs: number): Promise<Attempt> {
  const controller = new AbortController();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    controller.abort();
  }, limitMs);
  try {
    const response = await settings.fetch(settings.endpoint, {
      method: "POST",
      headers: {
        "Authorization": `Bearer ${settings.apiKey}`,
        "Content-Type": "application/json",
      },
      body,
      redirect: "manual", // following one would turn the POST into a GET
      signal: controller.signal,
    });
    // Part of the attempt: an answer that breaks off is no answer.
    const answer = parse(await response.text());
    const { status } = response;
    if (status === 202 && !isReceipt(answer))
      return {
        status, body: undefined, transient: true,
        failure: { code: "invalid_response", message: "the answer is not one of ingestlayer" },
      };
    return {
      status, body: answer, transient: transientStatus(status),
      retryAfterMs: retryAfter(response.headers.get("Retry-After"), Date.now()),
    };
  } catch (cause) {
    const failure = late
      ? { code: "timeout", message: `no answer within ${Math.round(limitMs)} ms`, cause }
      : { code: "network", message: `cannot reach ${settings.endpoint}`, cause };
    return { status: 0, body: undefined, transient: true, failure };
  } finally {
    clearTimeout(timer);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** How long to wait before attempt number `made + 1`. */
function delay(settings: Settings, made: number, last: Attempt): number {
  const full = Math.min(PAUSE_MAX_MS, settings.retryDelayMs * 2 ** (made - 1));
  const jittered = full * (0.5 + Math.random() / 2);
  if (last.retryAfterMs === undefined) return jittered;
  // Not before the server wants it, and not everybody at the same instant.
  return last.retryAfterMs + jittered / 2;
}

/**
 * POST a body, again where that can help, until the time is over. The body,
 * and with it every idempotency key, is the same each time.
 */
export async function post(settings: Settings, body: string): Promise<Outcome> {
  const deadline = Date.now() + settings.timeoutMs;
  for (let attempts = 1; ; attempts++) {
    const left = Math.max(1, deadline - Date.now());
    const last = await attempt(settings, body, Math.min(left, settings.attemptTimeoutMs));
    const { retryAfterMs: _, ...outcome } = last;
    if (!last.transient || attempts > settings.retries) return { ...outcome, attempts };
    const wait = delay(settings, attempts, last);
    if (Date.now() + wait >= deadline) return { ...outcome, attempts };
    await pause(wait);
  }
}
