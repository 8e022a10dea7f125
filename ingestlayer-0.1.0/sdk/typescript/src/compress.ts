// SPDX-License-Identifier: MIT
interface Streams {
  CompressionStream?: new (format: "gzip") => unknown;
  Blob?: new (parts: string[]) => { stream(): { pipeThrough(through: unknown): unknown } };
  Response?: new (body: unknown) => { arrayBuffer(): Promise<ArrayBuffer> };
  process?: { getBuiltinModule?(name: string): unknown };
}

interface Zlib {
  gzip(
    text: string,
    done: (
      error: Error | null,
      packed?: { buffer: ArrayBuffer; byteOffset: number; byteLength: number },
    ) => void,
  ): void;
}

const streams = globalThis as unknown as Streams;

/**
 * The server takes what unpacks to 250 times its size for an attack. What packs
 * so well is sent as it is.
 */
const RATIO_MAX = 200;

function zlibGzip(text: string): Promise<ArrayBuffer | undefined> {
  // Not import(): a bundler for browsers would look for it.
  const zlib = streams.process?.getBuiltinModule?.("node:zlib") as Zlib | undefined;
  if (!zlib) return Promise.resolve(undefined);
  return new Promise((done) =>
    zlib.gzip(text, (error, packed) => {
      if (error || !packed) return done(undefined);
      const { buffer, byteOffset, byteLength } = packed;
      return done(buffer.slice(byteOffset, byteOffset + byteLength));
    }));
}

/** Undefined where it cannot be packed, or is better sent as it is. Never throws. */
export async function gzip(text: string, bytes: number): Promise<ArrayBuffer | undefined> {
  const { CompressionStream, Blob, Response } = streams;
  try {
    const packed = CompressionStream && Blob && Response
      ? await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer()
      : await zlibGzip(text);
    if (!packed || packed.byteLength >= bytes || bytes / packed.byteLength > RATIO_MAX) return undefined;
    return packed;
  } catch {
    return undefined;
  }
}
