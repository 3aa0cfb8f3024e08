// SPDX-License-Identifier: Apache-2.0
// Who may see what.
import { ask, base, equal, journey, open, put, truth } from "../harness.mjs";
import { become, button, choose, dialog, message, row } from "../steps.mjs";

journey("access is given and taken, and who has none sees nothing", async (page) => {
  await ask(page, "POST", "/api/users", { name: "ada", password: "one-time-password" });
  const node = await put(page, "access/for ada.txt", "for ada", "text/plain");
  await put(page, "access/hidden.txt", "x", "text/plain");
  await page.goto(base + "/app/files");
  await choose(page, "access", "Access …");
  await button(page, "Remove anyone").click();
  await dialog(page).getByText("All users").waitFor({ state: "detached" });
  await page.keyboard.press("Escape");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.getByRole("tab", { name: "Sharing" }).click();
  await page.getByLabel("User name, or “anyone”").fill("ada");
  await button(page, "Add").click();
  await button(page, "Remove ada").waitFor();
  const ada = await open();
  await become(ada, "ada", "one-time-password", "another-secret");
  equal(await row(ada, "access").count(), 0, "the folder in her list");
  await ada.goto(`${base}/app/document/${node.id}`);
  await ada.locator("pre.text", { hasText: "for ada" }).waitFor();
  await button(ada, "Rename").click();
  await dialog(ada).getByLabel("Name").fill("changed.txt");
  await ada.keyboard.press("Enter");
  await ada.getByRole("alert").filter({ hasText: "You are not allowed to do this." }).waitFor();
  await ada.context().close();
});

journey("a link gives one document to whoever has it, until it ends", async (page) => {
  const node = await put(page, "shared.txt", "for everyone with the link", "text/plain");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.getByRole("tab", { name: "Sharing" }).click();
  await page.getByLabel("Password (optional)").fill("a password for it");
  await button(page, "Make link").click();
  const address = await page.locator("code.address").textContent();
  truth(address.startsWith(`${base}/s/`), `an address: ${address}`);
  const guest = await open();
  await guest.goto(address);
  await guest.locator("input[type=password]").fill("a password for it");
  const download = guest.waitForEvent("download").catch(() => null);
  await guest.keyboard.press("Enter");
  const seen = await Promise.race([download, guest.getByText("for everyone with the link").waitFor()]);
  truth(seen !== null, "the document");
  await guest.context().close();
  await page.goto(`${base}/app/shared`);
  await page.getByRole("row", { name: /shared.txt/ }).getByRole("button", { name: "End link" }).click();
  await message(page, "The link has ended").waitFor();
  equal((await ask(page, "GET", new URL(address).pathname)).status, 404, "the link afterwards");
});

journey("users are added, get a one-time password, and see no administration", async (page) => {
  await page.goto(base + "/app/users");
  await button(page, "Add user").click();
  await dialog(page).getByLabel("User name").fill("grace");
  await dialog(page).getByRole("button", { name: "Add user" }).click();
  const password = await dialog(page).locator("code").textContent();
  await dialog(page).getByRole("button", { name: "Done" }).click();
  await page.getByRole("cell", { name: /^grace/ }).waitFor();
  const other = await open();
  await become(other, "grace", password, "another-secret");
  equal(await other.getByRole("link", { name: "Users" }).count(), 0, "links to users");
  await other.goto(base + "/app/users");
  await other.getByText("Only an administrator may do this.").waitFor();
  await button(page, "Actions for grace").click();
  await page.getByRole("menuitem", { name: "Remove user" }).click();
  await dialog(page).getByRole("button", { name: "Remove user" }).click();
  await message(page, "grace removed").waitFor();
  await other.goto(base + "/app/files");
  await button(other, "Sign in").waitFor();
  await other.context().close();
});
