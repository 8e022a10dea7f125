// SPDX-License-Identifier: MIT
// app/api/export/route.ts of Next.js, and the same for other serverless
// platforms: a function may be frozen as soon as it has answered, so that the
// queue is flushed by what keeps it awake: after(), waitUntil().
import { flush, track } from "@ingestlayer/sdk";
import { after } from "next/server";

export async function POST(request: Request): Promise<Response> {
  const { user } = (await request.json()) as { user: string };
  track("feature.used", { user_id: user, feature: "api.export", count: 1 });
  after(() => flush({ timeoutMs: 5000 }));
  return Response.json({ ok: true });
}

/** Where there is a context, as on Cloudflare or Vercel's edge. */
export default {
  async fetch(
    request: Request,
    _env: unknown,
    context: { waitUntil(promise: Promise<unknown>): void },
  ): Promise<Response> {
    const response = await POST(request);
    context.waitUntil(flush({ timeoutMs: 5000 }));
    return response;
  },
};
