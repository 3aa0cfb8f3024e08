// SPDX-License-Identifier: Apache-2.0
// What this server offers: a page of a newer interface may meet a server without some of it.
import { send } from "./api";
import { state } from "./state";

const PATHS = {
  audit: "/api/audit",
  shares: "/api/shares",
  holds: "/api/holds",
  tokens: "/api/tokens",
  factor: "/api/me/second-factor",
};
export type Feature = keyof typeof PATHS;
export const features = state<ReadonlySet<Feature>>(new Set());

export async function featuresLoad() {
  const there = await Promise.all(
    (Object.keys(PATHS) as Feature[]).map((name) =>
      send("OPTIONS", PATHS[name], { signingIn: true }).then(() => name, () => null),
    ),
  );
  features.set(new Set(there.filter((name) => name !== null)));
}
