// SPDX-License-Identifier: MIT
import { ENVELOPE_BYTES, type Encoded, type LooseEvent, MAX_BYTES, MAX_EVENTS, encode, measure } from "./encode.js";
import { IngestError } from "./error.js";
import { TIMER_MAX_MS, isDying, isOffline, monotonic, startTimer, stopTimer, unwatch, watch } from "./lifecycle.js";
import { Losses, lostJson, lostLoose } from "./loss.js";
import { type Options, type Settings, resolve } from "./options.js";
import { type QueueSettings, resolveQueue } from "./queue_options.js";
import { Store } from "./store.js";
import { accept, isShut, newTally, refuse, said, toError } from "./tally.js";
import { type Outcome, attempt, backoff, plain, post } from "./transport.js";

/** What became of the events that waited when flush() was called. */
export interface FlushReport {
  /** On the server's disk, by now. */
  delivered: number;
  /** Lost, and told to onError. */
  lost: number;
  /** Not answered in time; they wait on, unless close() was called. */
  pending: number;
}

export interface FlushOptions {
  /** How long to wait. Default 30 000. */
  timeoutMs?: number;
}

/** One event that waits. */
interface Entry extends Encoded {
  order: number;
  /** For the interval, which clocks that jump must not disturb. */
  since: number;
  /** As Stored has them. */
  at: number;
  tried: number;
  /** When it first met a gate that is shut. */
  shut: number | undefined;
  stored: boolean;
  /** From an earlier page: another one may have sent it by now. */
  adopted: boolean;
  sending: boolean;
  /** In a request of the page's last moment. */
  leaving: boolean;
  gone: boolean;
}

/** One flush() that waits. */
interface Waiter extends FlushReport {
  upTo: number;
  deadline: number;
  timer: unknown;
  done(report: FlushReport): void;
}

const BACKOFF_MAX_MS = 30_000;
const OFFLINE_LOOK_MS = 5_000;
/** Browsers let 64 KiB outlive a page. */
const LEAVING_BYTES = 60 * 1024;

/** Events that wait to be sent in the background, oldest first. */
export class Queue {
  private entries: Entry[] = [];
  private bytes = 0;
  private order = 0;
  private lastAt = 0;
  private failures = 0;
  /** No request before; and did the server say so? */
  private retryAt = 0;
  private isHeld = false;
  /** What the last request met, if it was not taken. */
  private trouble: IngestError | undefined;
  /** Most events in the next request: less after a 413. */
  private room = MAX_EVENTS;
  private isPumping = false;
  private timer: unknown;
  private waiters: Waiter[] = [];
  private isClosed = false;
  private store: Store | undefined;
  private limits: QueueSettings | undefined;
  private readonly losses: Losses;

  /** options: as configure() left them, looked at for each request. */
  constructor(private readonly options: Options) {
    this.losses = new Losses(() => this.options.onError);
  }

  /** False: refused, which onError hears. Never throws. */
  track(event: LooseEvent): boolean {
    try {
      const limits = this.begin();
      if (this.isClosed) throw new IngestError("close() was called", { code: "closed" });
      if (isDying()) throw this.tooLate("the process is ending", "exit");
      const entry = this.prepare(event);
      this.makeRoom(limits, entry);
      this.add(entry);
      if (this.isFull(limits)) void Promise.resolve().then(() => this.pump());
      else if (this.timer === undefined) this.schedule();
      return true;
    } catch (cause) {
      const error = asError(cause);
      this.losses.add(error, [lostLoose(event)], error.problems);
      return false;
    }
  }

  /** Never rejects. */
  flush({ timeoutMs = 30_000 }: FlushOptions = {}): Promise<FlushReport> {
    try {
      this.begin();
    } catch {
      // Then nothing was taken, either.
    }
    if (!this.entries.length) return Promise.resolve({ delivered: 0, lost: 0, pending: 0 });
    return new Promise((done) => {
      const wait = Math.min(Math.max(timeoutMs, 0), TIMER_MAX_MS);
      const waiter: Waiter = {
        delivered: 0, lost: 0, pending: 0, upTo: this.order, deadline: monotonic() + wait, done,
        // Kept by the process: who awaits a flush wants it to end.
        timer: setTimeout(() => this.finish(waiter), wait),
      };
      this.waiters.push(waiter);
      if (!this.isHeld) this.retryAt = 0;
      void this.pump();
    });
  }

  async close(options?: FlushOptions): Promise<FlushReport> {
    this.isClosed = true;
    const report = await this.flush(options);
    this.giveUp(this.tooLate("close() was called before it was sent", "closed"));
    stopTimer(this.timer);
    await told();
    return report;
  }

  /** Lose what no store keeps. */
  private giveUp(cause: IngestError): void {
    const left = this.entries;
    this.lose(left.filter((entry) => !entry.stored), cause);
    for (const entry of left) entry.gone = true; // of the rest its store takes care
    this.sweep();
    this.bytes = 0;
  }

  private tooLate(message: string, code: string): IngestError {
    const { trouble } = this;
    const what = trouble ? `${message}; it was tried: ${trouble.message}` : message;
    return new IngestError(what, { code, status: trouble?.status, cause: trouble });
  }

  /** The network is back. */
  wake(): void {
    if (!this.isHeld) this.retryAt = 0;
    void this.pump();
  }

  /** Before the process ends by itself, or of a signal. */
  async exit(): Promise<void> {
    const timeoutMs = this.limits?.exitTimeoutMs ?? 0;
    const { pending } = await this.flush({ timeoutMs });
    if (!pending) return;
    this.die();
    await told();
  }

  die(): void {
    this.giveUp(this.tooLate("the process ended first", "exit"));
  }

  get exitSignals(): readonly string[] {
    return this.limits?.exitSignals ?? [];
  }

  /**
   * The page may be gone in a moment: send what fits into a request that may
   * outlive it, what is under way included, for that will be cut off. Keys
   * see to it that nothing counts twice.
   */
  leave(): void {
    let room = LEAVING_BYTES - ENVELOPE_BYTES;
    const batch: Entry[] = [];
    for (const entry of this.entries) {
      if (entry.leaving) continue;
      if ((room -= entry.bytes + 1) < 0) break;
      batch.push(entry);
    }
    if (!batch.length || isOffline()) return;
    try {
      const settings = resolve(this.options);
      for (const entry of batch) this.note(entry, "leaving");
      void attempt(settings, plain(batch), settings.attemptTimeoutMs, true).then((last) => {
        for (const entry of batch) entry.leaving = false;
        // What is refused may only be the way it was sent: asked again as usual, the answer counts.
        if (last.status === 202) this.settle(batch, { ...last, attempts: 1 });
        this.sweep();
        this.schedule();
      });
    } catch {
      // Wrong options: pump() says so.
    }
  }

  /* --- coming in --- */

  /** The first time, or after new options. */
  private begin(): QueueSettings {
    const settings = resolve(this.options);
    const limits = resolveQueue(this.options.queue);
    const isFirst = !this.limits;
    this.limits = limits;
    if (isFirst && limits.storage) {
      this.store = new Store(limits.storage, settings.endpoint, settings.apiKey);
      const { found, stale } = this.store.load();
      if (stale.length)
        this.losses.add(this.tooLate("it was queued long ago with another key", "expired"), stale.map(({ json }) => lostJson(json)));
      for (const { key, json, at, tried } of found) {
        const bytes = measure(json);
        // What does not fit waits there for another page.
        if (this.entries.length >= limits.maxEvents || this.bytes + bytes > limits.maxBytes) break;
        this.add({ ...fresh({ index: 0, key, json, bytes }, at), tried, stored: true, adopted: true });
      }
      if (this.entries.length) this.schedule();
    }
    return limits;
  }

  private prepare(event: LooseEvent): Entry {
    const now = Date.now();
    // It may be sent much later: when it happened is now.
    const encoded = encode({ ...event, timestamp: event.timestamp ?? new Date(now) }, 0);
    this.lastAt = Math.max(now, this.lastAt + 0.001);
    return fresh(encoded, this.lastAt);
  }

  private makeRoom(limits: QueueSettings, entry: Entry): void {
    if (entry.bytes > Math.min(limits.maxBytes, MAX_BYTES - ENVELOPE_BYTES))
      throw new IngestError(`the event has ${entry.bytes} bytes, which is too large`, { code: "event_too_large" });
    const isFitting = () =>
      this.entries.length < limits.maxEvents && this.bytes + entry.bytes <= limits.maxBytes;
    if (isFitting()) return;
    const full = new IngestError(
      `the queue is full (${this.entries.length} events, ${this.bytes} bytes)`,
      { code: "queue_full", retryable: true },
    );
    for (let i = 0; limits.whenFull === "oldest" && !isFitting() && i < this.entries.length;) {
      const old = this.entries[i]!;
      if (old.sending || old.leaving) {
        i++; // it may be there already
        continue;
      }
      this.lose([old], full);
      this.entries.splice(i, 1);
    }
    if (!isFitting()) throw full;
  }

  private add(entry: Entry): void {
    entry.order = ++this.order;
    if (!this.entries.length) watch(this);
    this.entries.push(entry);
    this.bytes += entry.bytes;
    if (!entry.stored && this.store) entry.stored = this.store.put(entry);
  }

  /* --- going out --- */

  private isFull({ flushAt, flushBytes }: QueueSettings): boolean {
    return this.entries.length >= flushAt || this.bytes >= flushBytes;
  }

  /** When the next request is due, on the monotonic clock. */
  private dueAt(): number {
    const { limits } = this;
    if (!this.entries.length || !limits) return Infinity;
    const ready = this.waiters.length || this.isFull(limits)
      ? 0 : this.entries[0]!.since + limits.flushIntervalMs;
    return Math.max(ready, this.retryAt);
  }

  private schedule(): void {
    stopTimer(this.timer);
    this.timer = undefined;
    const due = this.dueAt();
    if (due === Infinity || this.isPumping) return;
    const wait = Math.max(due - monotonic(), isOffline() ? OFFLINE_LOOK_MS : 0);
    this.timer = startTimer(() => {
      this.timer = undefined;
      void this.pump();
    }, Math.min(wait, TIMER_MAX_MS));
  }

  /** Send while something is due; one request at a time, to keep the order. */
  private async pump(): Promise<void> {
    if (this.isPumping) return;
    this.isPumping = true;
    while (!isOffline() && this.dueAt() <= monotonic()) {
      const batch = this.take();
      try {
        if (batch.length) await this.send(batch);
      } catch (cause) {
        this.lose(batch, asError(cause)); // wrong options since
      }
      for (const entry of batch) entry.sending = false;
      this.sweep();
    }
    this.isPumping = false;
    // Who cannot be served in time need not wait for it.
    for (const waiter of [...this.waiters])
      if (isOffline() || this.retryAt > waiter.deadline) this.finish(waiter);
    this.schedule();
  }

  /** The next request's events, from the front. */
  private take(): Entry[] {
    const batch: Entry[] = [];
    const old: Entry[] = [];
    const maxAge = this.limits!.maxAgeMs;
    let room = MAX_BYTES - ENVELOPE_BYTES;
    for (const entry of this.entries) {
      room -= entry.bytes + 1;
      if (batch.length === this.room || (room < 0 && batch.length)) break;
      if (entry.adopted && !this.store?.has(entry.key)) this.end(entry, "delivered");
      else if (entry.tried && Date.now() - entry.tried > maxAge) old.push(entry);
      else batch.push(entry);
    }
    this.lose(old, this.tooLate("no answer for so long that the server may have forgotten its key", "expired"));
    for (const entry of batch) this.note(entry, "sending");
    return batch;
  }

  /** Before it is sent: from now on it may have arrived. */
  private note(entry: Entry, how: "sending" | "leaving"): void {
    entry[how] = true;
    if (entry.tried) return;
    entry.tried = Date.now();
    if (entry.stored) this.store?.put(entry);
  }

  private async send(batch: Entry[]): Promise<void> {
    const settings: Settings = { ...resolve(this.options), retries: 0 };
    const outcome = await post(settings, batch);
    if (outcome.status === 413 && batch.length > 1) {
      this.room = batch.length >> 1;
      return;
    }
    if (outcome.transient) return this.retryLater(settings, outcome);
    if (isShut(outcome)) return this.meetShut(batch, settings, outcome);
    this.failures = this.retryAt = 0;
    this.isHeld = false;
    this.trouble = undefined;
    this.room = Math.min(MAX_EVENTS, this.room * 2);
    this.settle(batch, outcome);
  }

  private retryLater(settings: Settings, outcome: Outcome): void {
    const { status, retryAfterMs } = outcome;
    const { code, message } = said(outcome);
    this.failures++;
    this.trouble = new IngestError(message, { code, status });
    this.isHeld = retryAfterMs !== undefined;
    this.retryAt = monotonic()
      + backoff(settings.retryDelayMs, BACKOFF_MAX_MS, this.failures, retryAfterMs);
  }

  /** Nobody has looked at the events: wait for another answer, as long as each may. */
  private meetShut(batch: Entry[], settings: Settings, outcome: Outcome): void {
    const maxShut = this.limits!.maxShutMs;
    const now = monotonic();
    const isNew = !this.trouble || this.trouble.status !== outcome.status;
    this.retryLater(settings, outcome);
    const over = batch.filter((entry) => now - (entry.shut ??= now) >= maxShut);
    if (isNew && over.length < batch.length)
      this.losses.warn(`events wait and are tried again; ${this.trouble!.code}: ${this.trouble!.message}`);
    this.settle(over, outcome);
  }

  /** An answer that is final. */
  private settle(batch: readonly Entry[], outcome: Outcome): void {
    const tally = newTally(batch.length);
    tally.attempts = outcome.attempts;
    // Not the entries themselves: one may be in two requests at a time.
    const events = batch.map((entry, index) => ({ ...entry, index }));
    (outcome.status === 202 ? accept : refuse)(tally, events, outcome);
    for (const [i, entry] of batch.entries())
      if (tally.receipts[i] && !entry.gone) this.end(entry, "delivered");
    if (!tally.problems.length) return;
    const refused = batch.filter((_, i) => !tally.receipts[i]);
    const places = new Map(refused.map((entry, i) => [batch.indexOf(entry), i]));
    this.lose(refused, toError(tally), (index) => places.get(index)!);
  }

  /* --- being done --- */

  private end(entry: Entry, how: "delivered" | "lost"): void {
    entry.gone = true;
    this.bytes -= entry.bytes;
    if (entry.stored) this.store?.remove(entry.key);
    for (const waiter of this.waiters) if (entry.order <= waiter.upTo) waiter[how]++;
  }

  /** place: from an index of the error's problems to one in entries. */
  private lose(
    entries: readonly Entry[],
    cause: IngestError,
    place: (index: number) => number = (index) => index,
  ): void {
    const lost = entries.filter((entry) => !entry.gone);
    if (!lost.length) return;
    for (const entry of lost) this.end(entry, "lost");
    const problems = lost.length === entries.length
      ? cause.problems.map((one) => ({ ...one, index: place(one.index) })) : [];
    this.losses.add(cause, lost.map(({ json }) => lostJson(json)), problems);
  }

  /** Drop what is gone, and answer who waited for it. */
  private sweep(): void {
    if (this.entries.some((entry) => entry.gone)) {
      this.entries = this.entries.filter((entry) => !entry.gone);
      if (!this.entries.length) unwatch(this);
    }
    for (const waiter of [...this.waiters])
      if (!this.entries.length || this.entries[0]!.order > waiter.upTo) this.finish(waiter);
  }

  private finish(waiter: Waiter): void {
    clearTimeout(waiter.timer as number);
    this.waiters = this.waiters.filter((other) => other !== waiter);
    const { delivered, lost, upTo } = waiter;
    const pending = this.entries.filter((entry) => entry.order <= upTo).length;
    waiter.done({ delivered, lost, pending });
  }
}

function fresh(encoded: Encoded, at: number): Entry {
  return {
    ...encoded, at, order: 0, since: monotonic(), tried: 0, shut: undefined,
    stored: false, adopted: false, sending: false, leaving: false, gone: false,
  };
}

function asError(cause: unknown): IngestError {
  if (cause instanceof IngestError) return cause;
  return new IngestError(String((cause as Error | undefined)?.message), { code: "internal", cause });
}

/** onError has heard what was lost until now. */
function told(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0));
}
