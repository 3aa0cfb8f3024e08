// SPDX-License-Identifier: Apache-2.0
// Signing in at a real OpenID Connect provider, as people do.
import { createHmac } from "node:crypto";
import { ask, base, equal, journey, open, run, truth, violations } from "./harness.mjs";
import { become, button, dialog } from "./steps.mjs";

const anyhow = { ignoreHTTPSErrors: true }; // the provider's authority is made for this test
const fresh = { ...anyhow, signedOut: true };

/** What the provider shows who is not signed in there: its form, then whether Coffer may know. */
async function signInThere(page, name) {
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}

journey("one links oneself, signs in with it, and out", async (page) => {
  await page.goto(base + "/app/profile");
  await button(page, "Link with Example").click();
  await signInThere(page, "admin-there");
  await page.getByText("It is linked: from now on you can sign in with it.").waitFor();
  await page.getByText("admin-there at https://localhost").waitFor();
  await button(page, "Account of admin").click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await button(page, "Sign in").waitFor();
  await page.goto(base + "/app/trash");
  await button(page, "Sign in with Example").click();
  await page.getByRole("heading", { name: "Trash", exact: true }).waitFor(); // where one wanted to go
  await page.waitForLoadState("networkidle");
  await button(page, "Account of admin").click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByText("You are signed out here.").waitFor();
  equal(await violations(page), [], "what axe finds");
  await page.getByRole("link", { name: "Sign out at Example too" }).click();
  await page.waitForURL(/^https:/);
}, anyhow);

journey("who is linked with nobody is told so", async (page) => {
  await page.goto(base);
  await button(page, "Sign in with Example").click();
  await signInThere(page, "stranger");
  await page.getByRole("alert").filter({ hasText: "nobody here is linked with you" }).waitFor();
  equal(await violations(page), [], "what axe finds");
  equal((await ask(page, "GET", "/api/me")).status, 401, "not signed in");
}, fresh);

journey("who leaves the provider's page is back", async (page) => {
  await page.goto(base + "/app/search?q=%22a%22");
  await button(page, "Sign in with Example").click();
  await page.getByRole("link", { name: /Cancel/ }).click();
  await page.getByRole("alert").filter({ hasText: "You did not sign in there." }).waitFor();
}, fresh);

journey("a member of the group that may becomes a user; in German", async (page) => {
  await page.goto(base);
  await button(page, "Mit Example anmelden").click();
  await signInThere(page, "grace");
  await page.getByRole("heading", { name: "Dateien" }).waitFor();
  await button(page, "Konto von grace").waitFor();
}, { ...fresh, locale: "de-DE" });

journey("an administrator links and unlinks; a second factor is asked for", async (page) => {
  const [name, password] = ["ida", "a password of theirs"];
  await ask(page, "POST", "/api/users", { name, password: "one-time-password" });
  await page.goto(base + "/app/users");
  await button(page, "Actions for ida").click();
  await page.getByRole("menuitem", { name: "Signing in elsewhere" }).click();
  await dialog(page).getByLabel("Subject at Example, or a certificate's key").fill("ida-there");
  await dialog(page).getByRole("button", { name: "Link", exact: true }).click();
  await button(page, "Unlink ida-there").waitFor();
  equal(await violations(page), [], "what axe finds");

  const own = await open(anyhow);
  await become(own, name, "one-time-password", password);
  const { secret } = (await ask(own, "POST", "/api/me/second-factor", {})).json;
  const code = (step) => {
    const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + step));
    const mac = createHmac("sha1", Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))).update(counter).digest();
    return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, "0");
  };
  equal((await ask(own, "PUT", "/api/me/second-factor", { code: code(-1) })).status, 200, "its begin");
  await own.context().clearCookies();
  await own.goto(base + "/app/recent");
  await button(own, "Sign in with Example").click();
  await signInThere(own, "ida-there");
  await own.getByRole("heading", { name: "One more step" }).waitFor();
  equal(await violations(own), [], "what axe finds");
  await own.getByLabel("Code from the authenticator").fill("000000");
  await button(own, "Sign in").click();
  await own.getByRole("alert").filter({ hasText: "The code is wrong or too old." }).waitFor();
  await own.getByLabel("Code from the authenticator").fill(code(0));
  await button(own, "Sign in").click();
  await own.getByRole("heading", { name: "Recent" }).waitFor();

  await button(page, "Unlink ida-there").click();
  await page.getByRole("button", { name: "Unlink", exact: true }).last().click();
  await dialog(page).getByText("Nothing is linked.").waitFor();
  truth((await ask(own, "GET", "/api/me")).status === 401, "the session that began with it has ended");
  await own.context().close();
}, anyhow);

await run();
