// SPDX-License-Identifier: MIT
import type { OnError } from "./loss.js";
import { type QueueOptions, count, misconfigured } from "./queue_options.js";

/** The part of the standard fetch() that the SDK uses. */
export type Fetch = (
  url: string,
  init: {
    method: string;
    headers: Record<string, string>;
    body: string | ArrayBuffer;
    redirect: "manual";
    keepalive?: boolean;
    // Not AbortSignal: that name is not known without the DOM's types.
    signal: any;
  },
) => Promise<{
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}>;

export interface Options {
  /** On pages one that is publishable. Default: INGESTLAYER_KEY in the environment. */
  apiKey?: string;
  /** Where the gate listens. Default: INGESTLAYER_URL in the environment. */
  url?: string;
  /** For one request, its retries included. Default 30 000. */
  timeoutMs?: number;
  /** For one attempt. Default 10 000. */
  attemptTimeoutMs?: number;
  /** How often a request is made again. Default 5; 0: never. */
  retries?: number;
  /** The first pause; each later one is twice as long. Default 200. */
  retryDelayMs?: number;
  /** Bodies of at least so many bytes are packed with gzip. Default 8192; false: never. */
  gzip?: number | false;
  /** Default: the global one. */
  fetch?: Fetch;
  /** Of track(). */
  queue?: QueueOptions;
  /**
   * Told of every event that track() took or should have taken and that will
   * not arrive. What it throws goes nowhere. Default: console.error().
   */
  onError?: OnError;
}

/** Options that are complete. */
export interface Settings {
  endpoint: string;
  apiKey: string;
  timeoutMs: number;
  attemptTimeoutMs: number;
  retries: number;
  retryDelayMs: number;
  gzipBytes: number;
  fetch: Fetch;
}

interface Globals {
  process?: { env?: Record<string, string | undefined> };
  Deno?: { env: { get(name: string): string | undefined } };
  fetch?: Fetch;
}

const globals = globalThis as unknown as Globals;

function env(name: string): string | undefined {
  try {
    return globals.process?.env?.[name] ?? globals.Deno?.env.get(name);
  } catch {
    return undefined; // Deno without the permission
  }
}

function endpoint(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw misconfigured("the url is not a URL; it should look like https://events.example.com");
  }
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
    throw misconfigured(`the url must begin with http:// or https://, not ${parsed.protocol}//`);
  if (parsed.username || parsed.password)
    throw misconfigured("the url must not hold a user or password; the key goes into apiKey");
  return parsed.origin + parsed.pathname.replace(/\/+$/, "") + "/v1/ingest";
}

/** Complete and check options. Errors never show the key. */
export function resolve(options: Options): Settings {
  const url = options.url ?? env("INGESTLAYER_URL");
  const apiKey = (options.apiKey ?? env("INGESTLAYER_KEY") ?? "").trim();
  const fetch = options.fetch ?? globals.fetch;
  if (!url) throw misconfigured("no url: call configure({ url }) or set INGESTLAYER_URL");
  if (!apiKey) throw misconfigured("no API key: call configure({ apiKey }) or set INGESTLAYER_KEY");
  // fetch() would refuse it, too, with a message that shows it.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw misconfigured("the API key holds characters that an HTTP header cannot carry");
  if (!fetch) throw misconfigured("there is no global fetch(): pass one as configure({ fetch })");
  return {
    endpoint: endpoint(url),
    apiKey,
    timeoutMs: count("timeoutMs", options.timeoutMs, 30_000, 1),
    attemptTimeoutMs: count("attemptTimeoutMs", options.attemptTimeoutMs, 10_000, 1),
    retries: Math.floor(count("retries", options.retries, 5, 0)),
    retryDelayMs: count("retryDelayMs", options.retryDelayMs, 200, 0),
    gzipBytes: options.gzip === false ? Infinity : count("gzip", options.gzip, 8192, 0),
    fetch,
  };
}
