// SPDX-License-Identifier: MIT

/** What is wrong with one event. */
export interface Problem {
  /** Place of the event in what was passed to ingestBatch(); 0 for ingest(). */
  readonly index: number;
  /** Stable and short: "schema", "network", ... */
  readonly code: string;
  /** What happened, for a person. */
  readonly message: string;
  /** The field concerned, as in "payload.count"; "" for the whole event. */
  readonly path: string;
  /** The rule it breaks, as in "required"; "" where there is none. */
  readonly rule: string;
  /**
   * The key that the event was sent with. Whoever sends the event again must
   * give this key, so that it cannot count twice.
   */
  readonly idempotencyKey: string;
}

/** For a person. */
export function tell({ path, message }: Problem): string {
  return path ? `${path}: ${message}` : message;
}

/** What became of one event that was taken. */
export interface Receipt {
  readonly id: string;
  /** "duplicate": an event with that key was taken before; id is its id. */
  readonly status: "accepted" | "duplicate";
}

export interface IngestErrorInit {
  status?: number;
  code: string;
  problems?: readonly Problem[];
  receipts?: readonly (Receipt | undefined)[];
  retryable?: boolean;
  attempts?: number;
  cause?: unknown;
}

/** One or more events were not taken, or it is not known whether they were. */
export class IngestError extends Error {
  /** HTTP status of the last answer; 0 when there was none. */
  readonly status: number;
  /** As the server has it, or "network", "timeout", "not_configured", ... */
  readonly code: string;
  /** One or more for each event that was not taken. */
  readonly problems: readonly Problem[];
  /** What was taken all the same, by place; undefined where it was not. */
  readonly receipts: readonly (Receipt | undefined)[];
  /** Could the same succeed later? Send it with the same keys then. */
  readonly retryable: boolean;
  /** Requests that were made. */
  readonly attempts: number;
  readonly cause?: unknown;

  constructor(message: string, init: IngestErrorInit) {
    super(message);
    this.name = "IngestError";
    this.status = init.status ?? 0;
    this.code = init.code;
    this.problems = init.problems ?? [];
    this.receipts = init.receipts ?? [];
    this.retryable = init.retryable ?? false;
    this.attempts = init.attempts ?? 0;
    if (init.cause !== undefined) this.cause = init.cause;
  }
}
