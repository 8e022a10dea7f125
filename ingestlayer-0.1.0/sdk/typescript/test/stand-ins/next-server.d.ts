// SPDX-License-Identifier: MIT
// The part of Next.js that examples/nextjs.ts uses, as its reference has it.
declare module "next/server" {
  export function after<T>(task: Promise<T> | (() => T | Promise<T>)): void;
}
