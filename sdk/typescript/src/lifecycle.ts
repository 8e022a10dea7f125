// SPDX-License-Identifier: MIT
// What happens around a queue: timers, a process that ends, a page that is left.

/** What a queue offers to be told. */
export interface Watched {
  exit(): Promise<void>;
  /** Now, without waiting for anything. */
  die(): void;
  readonly exitSignals: readonly string[];
  leave(): void;
  wake(): void;
}

interface Target {
  addEventListener?(name: string, listener: () => void): void;
}

interface Process {
  pid?: number;
  on?(name: string, listener: () => void): void;
  removeListener?(name: string, listener: () => void): void;
  listenerCount?(name: string): number;
  kill?(pid: number, signal: string): void;
  exit?(code: number): void;
}

interface Globals extends Target {
  document?: Target & { visibilityState?: string };
  navigator?: { onLine?: boolean };
  performance?: { now(): number };
  process?: Process;
  Deno?: { unrefTimer?(id: unknown): void };
}

const globals = globalThis as unknown as Globals;

/** Timers take no more; what they are given beyond it they run at once. */
export const TIMER_MAX_MS = 2 ** 31 - 1;

// Read once: in Node the global is a getter, at some cost.
const clock = globals.performance ?? Date;

export function monotonic(): number {
  return clock.now();
}

/** Only where it is certain: "online" can mean anything. */
export function isOffline(): boolean {
  return globals.navigator?.onLine === false;
}

/** A timer that keeps no process alive. */
export function startTimer(run: () => void, ms: number): unknown {
  const timer = setTimeout(run, ms) as unknown as { unref?(): void };
  if (typeof timer === "object") timer.unref?.();
  else globals.Deno?.unrefTimer?.(timer);
  return timer;
}

export function stopTimer(timer: unknown): void {
  clearTimeout(timer as number);
}

/* --- the queues that have something to lose --- */

const watched = new Set<Watched>();
const untold = new Set<() => void>();
const signals = new Map<string, () => void>();
/** What the process is about to die of. */
const deadly = new Set<string>();
let isListening = false;
let isDead = false;

async function exitAll(): Promise<void> {
  await Promise.all([...watched].map((queue) => queue.exit()));
}

/** Is it the process's last moment? From now on no timer runs and nothing is sent. */
export function isDying(): boolean {
  return isDead;
}

/** Whether by process.exit(), an error that nobody caught, or by itself. */
function dieAll(): void {
  isDead = true;
  for (const queue of [...watched]) queue.die();
  for (const tell of [...untold]) tell();
}

/** Call tell when the process dies, unless toldAll() comes first. */
export function tellAtDeath(tell: () => void): void {
  untold.add(tell);
  listen();
}

export function toldAll(tell: () => void): void {
  untold.delete(tell);
}

const numbers: Record<string, number> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

function dieOf(process: Process, name: string): void {
  // The first process of a container dies of no signal that it does not listen to.
  if (process.pid === 1) process.exit?.(128 + numbers[name]!);
  // An application that listens by now has its own idea; nothing is emitted of a death like that.
  if (process.listenerCount?.(name) === 0) dieAll();
  process.kill?.(process.pid!, name);
}

/**
 * A listener takes the signal's effect away, so the process is sent it again
 * once the events are out, unless somebody else listens: then it is theirs to
 * end the process. A second signal finds no listener and ends it at once, and
 * so must ours, whatever is tracked in the meantime.
 */
function listenToSignal(name: string): void {
  const { process } = globals;
  if (signals.has(name) || deadly.has(name) || !process?.on) return;
  const listener = () => {
    process.removeListener?.(name, listener);
    signals.delete(name);
    const isOurs = process.listenerCount?.(name) === 0;
    if (isOurs) deadly.add(name);
    void exitAll().then(() => {
      if (isOurs) dieOf(process, name);
    });
  };
  signals.set(name, listener);
  process.on(name, listener);
}

function listen(): void {
  if (isListening) return;
  isListening = true;
  const { document, process } = globals;
  const leaveAll = () => watched.forEach((queue) => queue.leave());
  if (document?.addEventListener) {
    // On phones the only word before a page is killed.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") leaveAll();
    });
    globals.addEventListener?.("pagehide", leaveAll);
  }
  if (typeof globals.addEventListener === "function")
    globals.addEventListener("online", () => watched.forEach((queue) => queue.wake()));
  // Emitted again when what a listener began is done: so the last one finds nothing.
  if (document) return;
  process?.on?.("beforeExit", () => void exitAll());
  process?.on?.("exit", dieAll);
}

/** From now on it holds events. */
export function watch(queue: Watched): void {
  watched.add(queue);
  listen();
  for (const name of queue.exitSignals) listenToSignal(name);
}

export function unwatch(queue: Watched): void {
  watched.delete(queue);
  // Without events to lose a signal has its usual effect, at once.
  const wanted = new Set([...watched].flatMap((other) => other.exitSignals));
  for (const [name, listener] of signals)
    if (!wanted.has(name)) {
      globals.process?.removeListener?.(name, listener);
      signals.delete(name);
    }
}
