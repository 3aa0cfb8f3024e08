// SPDX-License-Identifier: Apache-2.0
// One journey through the whole system: TLS into the protected server, whose volume is encrypted.
import { createHash } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { base, equal, journey, run } from "./harness.mjs";

const large = Buffer.alloc(12 << 20, "confidential ");

journey("documents go in and out of a protected server, which proves what it is", async (page) => {
  const path = join(mkdtempSync(join(tmpdir(), "coffer-journey-")), "contract.txt");
  writeFileSync(path, large);
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  await (await chooser).setFiles(path);
  await page.locator(".uploads header strong", { hasText: "1 of 1 uploaded" }).waitFor();
  await page.getByRole("link", { name: "contract.txt" }).click();
  await page.locator("pre.text", { hasText: "confidential" }).waitFor();
  const sum = await page.evaluate(async () => {
    const bytes = await (await fetch("/api/files/contract.txt")).arrayBuffer();
    return [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].join();
  });
  equal(sum, [...createHash("sha256").update(large).digest()].join(), "its hash");
  await page.goto(`${base}/app/protection`);
  await page.getByRole("heading", { name: "Encrypted, but the machine's owner must be trusted" }).waitFor();
  await page.getByText("It was made for this very question").waitFor();
  await page.getByText("Its signature is right").waitFor();
  await page.getByText("TLS 1.3 ends inside the protected process").waitFor();
  equal(await page.locator(".prints code").count() >= 3, true, "fingerprints are shown");
}, { ignoreHTTPSErrors: true });

await run();
