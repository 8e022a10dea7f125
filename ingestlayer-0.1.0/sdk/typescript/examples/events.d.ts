// Made by `ingestlayer types` from `events` of the config: change it there.
import "@ingestlayer/sdk";

declare module "@ingestlayer/sdk" {
  interface Events {
    "feature.used": {
      user_id: string;
      feature: string;
      count?: number | bigint | null;
      plan?: string | null;
    };
  }
}
