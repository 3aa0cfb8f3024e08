// SPDX-License-Identifier: Apache-2.0
// One's own account: sessions, tokens, second factor, language.
import { createHmac } from "node:crypto";
import { ask, base, equal, journey, open, signIn, SIZES, truth, user } from "../harness.mjs";
import { become, button, dialog, message } from "../steps.mjs";

journey("sessions are listed, and another one is ended", async (page) => {
  const other = await open({ userAgent: "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0" });
  await signIn(other);
  await page.goto(base + "/app/profile");
  const line = page.getByRole("listitem").filter({ hasText: "Firefox, Windows" });
  await line.getByRole("button", { name: "Sign out" }).click();
  await line.waitFor({ state: "detached" });
  await other.getByRole("link", { name: "Trash" }).click();
  await other.getByText("Your session has ended.").waitFor();
  await other.context().close();
});

journey("a session that has ended asks for the password where one is", async (page) => {
  await page.goto(base + "/app/profile");
  await page.getByRole("heading", { name: "Appearance" }).waitFor();
  await page.waitForLoadState("networkidle"); // or an answer to the page itself ends it before the click
  await page.context().clearCookies();
  await page.getByRole("link", { name: "Trash" }).click();
  await page.getByText("Your session has ended.").waitFor();
  await page.getByLabel("User name").fill(user.name);
  await page.getByLabel("Password").fill(user.password);
  await button(page, "Sign in").click();
  await page.getByRole("heading", { name: "Trash", exact: true }).waitFor();
  await button(page, "Account of admin").click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await button(page, "Sign in").waitFor();
  await page.goBack();
  await button(page, "Sign in").waitFor();
});

journey("a token for a program is made, shown once and ended", async (page) => {
  await page.goto(base + "/app/profile");
  await button(page, "New token").click();
  await dialog(page).getByLabel("Name").fill("backup");
  await dialog(page).getByRole("button", { name: "Create" }).click();
  const token = await dialog(page).locator("code").textContent();
  truth(token.startsWith("cft_"), token);
  await dialog(page).getByRole("button", { name: "Done" }).click();
  const use = () => page.evaluate(async (it) =>
    (await fetch("/api/me", { credentials: "omit", headers: { Authorization: `Bearer ${it}` } })).status, token);
  equal(await use(), 200, "with the token");
  await button(page, "End backup").click();
  await dialog(page).getByRole("button", { name: "End", exact: true }).click();
  await button(page, "End backup").waitFor({ state: "detached" });
  equal(await use(), 401, "afterwards");
});

journey("a second factor is set up, asked for, and removed", async (page) => {
  const name = "factor";
  const password = "a password of theirs";
  await ask(page, "POST", "/api/users", { name, password: "one-time-password" });
  const own = await open();
  await become(own, name, "one-time-password", password);
  await own.goto(base + "/app/profile");
  await button(own, "Set up").click();
  await own.getByRole("img", { name: "QR code for the authenticator program" }).waitFor();
  const secret = await dialog(own).locator("code").textContent();
  const code = (step) => {
    const bits = [...secret.replace(/[^A-Z2-7]/g, "")].map((c) =>
      "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
    const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + step));
    const mac = createHmac("sha1", key).update(counter).digest();
    return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, "0");
  };
  await dialog(own).getByLabel("Code from the authenticator").fill("000000");
  await button(own, "Confirm").click();
  await own.getByRole("alert").filter({ hasText: "The code is wrong or too old." }).waitFor();
  await dialog(own).getByLabel("Code from the authenticator").fill(code(-1));
  await button(own, "Confirm").click();
  const recovery = (await dialog(own).locator("pre").textContent()).split("\n");
  equal(recovery.length, 10, "recovery codes");
  await button(own, "Done").click();
  await own.context().clearCookies();
  await own.goto(base + "/app/profile");
  await own.getByLabel("User name").fill(name);
  await own.getByLabel("Password").fill(password);
  await button(own, "Sign in").click();
  await own.getByLabel("Code from the authenticator").fill(recovery[0]);
  await button(own, "Sign in").click();
  await button(own, "Remove the second factor").click();
  await dialog(own).getByLabel("Code from the authenticator").fill(recovery[1]);
  await dialog(own).getByRole("button", { name: "Remove the second factor" }).click();
  await message(own, "The second factor is removed").waitFor();
  await own.context().close();
});

journey("language and appearance are switched and kept", async (page) => {
  await page.goto(base + "/app/profile");
  await page.getByLabel("Language").selectOption("de");
  await page.getByRole("heading", { name: "Aussehen" }).waitFor();
  equal(await page.evaluate(() => document.documentElement.lang), "de", "the page's language");
  await page.getByLabel("Aussehen").selectOption("dark");
  await page.reload();
  await page.getByRole("heading", { name: "Aussehen" }).waitFor();
  equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "the theme");
});

journey("the longest words of the account and of users fit a phone", async (page) => {
  const ways = { openid: "Example", certificate: { key: "ab".repeat(32), subject: "CN=admin" } };
  await page.route("**/api/sign-in", (route) => route.fulfill({ json: ways })); // as where TLS asks for certificates
  await ask(page, "POST", "/api/users", { name: "longer-than-most", password: "one-time-password" });
  await ask(page, "PATCH", "/api/users/longer-than-most", { quota: { bytes: 1e9, documents: 1000 } });
  await page.evaluate(() => localStorage.setItem("coffer.language", JSON.stringify("de")));
  const over = (what) => page.locator(what).evaluateAll((all) => all.map((one) => one.scrollWidth - one.clientWidth));
  await page.goto(base + "/app/profile");
  await button(page, "Das Zertifikat verknüpfen, das Ihr Browser zeigt").waitFor();
  equal((await over(".page-view, .card")).filter((by) => by > 0), [], "what is too wide in the profile");
  await page.goto(base + "/app/users");
  await page.getByText("1.000 Dokumenten").first().waitFor();
  equal((await over(".table-scroll")).filter((by) => by > 0), [], "tables that are too wide");
}, SIZES.phone);
