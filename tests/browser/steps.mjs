// SPDX-License-Identifier: Apache-2.0
// Steps that many journeys take.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { base } from "./harness.mjs";

export const place = mkdtempSync(join(tmpdir(), "coffer-journeys-"));
export const file = (name, content) => {
  const path = join(place, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
};
export const row = (page, name) => page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
export const rowGone = (page, name) => row(page, name).waitFor({ state: "detached" });
export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const dialog = (page) => page.getByRole("dialog");
export const message = (page, text) => page.locator(".toast", { hasText: text });

export async function choose(page, name, item) {
  await row(page, name).getByRole("button", { name: `Actions for ${name}` }).click();
  await page.getByRole("menuitem", { name: item }).click();
}
export async function uploadFiles(page, paths, which = "Upload") {
  const chooser = page.waitForEvent("filechooser");
  await button(page, which).click();
  await (await chooser).setFiles(paths);
}
export async function uploaded(page, text) {
  await page.locator(".uploads header strong", { hasText: text }).waitFor();
}

/** The first sign-in of a new user, who chooses a password. */
export async function become(page, name, once, password) {
  await page.goto(base);
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(once);
  await button(page, "Sign in").click();
  await page.getByLabel("Current password").fill(once);
  await page.getByLabel("New password", { exact: true }).fill(password);
  await page.getByLabel("New password again").fill(password);
  await button(page, "Change password").click();
  await page.locator("main#main").waitFor();
}
