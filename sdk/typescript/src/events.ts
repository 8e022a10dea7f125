// SPDX-License-Identifier: MIT
// Alone in its file, of which the package has one for ES modules and CommonJS
// alike (build.mjs): what is declared in a program of one kind holds in the other.

/**
 * The events of an application, to be declared by it:
 *
 *     declare module "@ingestlayer/sdk" {
 *       interface Events {
 *         "feature.used": { user_id: string; feature: string; count?: number };
 *       }
 *     }
 *
 * Then another type or a wrong field does not compile. As long as nothing is
 * declared, anything goes.
 */
export interface Events {}
