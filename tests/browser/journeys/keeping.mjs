// SPDX-License-Identifier: Apache-2.0
// What administrators answer for: the audit trail, legal holds, protection.
import { ask, base, equal, journey, put } from "../harness.mjs";
import { button, choose, dialog, message, row } from "../steps.mjs";

journey("the audit trail tells who did what, and is checked", async (page) => {
  const node = await put(page, "audited.txt", "x", "text/plain");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.getByRole("tab", { name: "Activity" }).click();
  await page.locator(".trail li").first().waitFor();
  await page.goto(base + "/app/audit");
  await page.getByRole("cell", { name: "audited.txt" }).first().waitFor();
  await button(page, "Check the chain").click();
  await page.getByText("The chain is whole").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "CSV" }).click();
  equal((await download).suggestedFilename(), "audit.csv", "its name");
});

journey("a legal hold keeps a document from everybody", async (page) => {
  const folder = await ask(page, "POST", "/api/folders", { name: "Held" }); // a list of its own: short
  const node = await put(page, "Held/held.txt", "x", "text/plain");
  await page.goto(base + "/app/holds");
  await button(page, "New hold").click();
  await dialog(page).getByLabel("Name").fill("Case 7");
  await dialog(page).getByLabel("Reason").fill("a dispute");
  await dialog(page).getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "Case 7" }).waitFor();
  await page.goto(`${base}/app/document/${node.id}`);
  await button(page, "Edit").last().click();
  await button(page, "Put on this document").click();
  await page.getByText("This document must be kept: nobody can delete it.").waitFor();
  await page.goto(`${base}/app/files/${folder.json.id}`);
  await choose(page, "held.txt", "Delete");
  await message(page, "A retention rule or legal hold keeps this document").waitFor();
  await row(page, "held.txt").waitFor();
  await page.goto(base + "/app/holds");
  await button(page, "Release").click();
  await dialog(page).getByRole("button", { name: "Release" }).click();
  await page.getByText("Another administrator must agree.").waitFor();
  await button(page, "Take the request back").click();
  await button(page, "Release").waitFor();
});

journey("a web hook is made, tried, paused and removed", async (page) => {
  await page.goto(base + "/app/hooks");
  await button(page, "New web hook").click();
  await dialog(page).getByLabel("Name").fill("archive");
  await dialog(page).getByLabel("Address").fill("https://elsewhere.example/in");
  await dialog(page).getByRole("button", { name: "Create" }).click();
  await page.getByText("The server's settings do not allow this destination.").waitFor();
  await dialog(page).getByLabel("Address").fill("http://127.0.0.1:9/in"); // where nobody listens
  await dialog(page).getByLabel("Only these actions").fill("purge");
  await ask(page, "POST", "/api/folders", { name: "hooked", parent: "root" });
  await button(page, "Choose a folder").click();
  await dialog(page).last().getByRole("button", { name: "hooked" }).click();
  await button(page, "Choose this folder").click();
  await dialog(page).getByText("hooked").waitFor();
  await dialog(page).getByRole("button", { name: "Create" }).click();
  equal((await dialog(page).locator("code").textContent()).length, 64, "the secret's digits");
  await dialog(page).locator("footer").getByRole("button", { name: "Close" }).click();
  await page.getByRole("heading", { name: "archive" }).waitFor();
  await page.getByRole("listitem").filter({ hasText: "Only from the folder" }).getByRole("link", { name: "hooked" }).waitFor();
  await button(page, "Test").click();
  await page.getByText("last: test: ").waitFor();
  await button(page, "Pause").click();
  await page.getByText("paused").waitFor();
  await button(page, "Resume").click();
  await button(page, "Pause").waitFor();
  await button(page, "Remove").click();
  await dialog(page).getByRole("button", { name: "Remove" }).click();
  await page.getByText("No web hooks").waitFor();
});

journey("who protects this is said as it is", async (page) => {
  await page.goto(base + "/app/protection");
  await page.getByRole("heading", { name: "Nobody: this server is not protected" }).waitFor();
});
