// SPDX-License-Identifier: Apache-2.0
// What helps to find a document again.
import { ask, base, journey, put, SIZES, truth } from "../harness.mjs";
import { button, dialog, row } from "../steps.mjs";

for (const [size, options] of Object.entries(SIZES)) {
  const at = `at ${size} size`;

  journey(`documents are found and narrowed by facets, ${at}`, async (page) => {
    await put(page, `find-${size}/needle ${size} one.txt`, "1", "text/plain");
    await put(page, `find-${size}/needle ${size} two.png`, "2", "image/png");
    await page.getByRole("searchbox").fill(`needle ${size}`);
    await page.keyboard.press("Enter");
    await page.getByText("2 results").waitFor();
    await page.getByLabel("Kind").selectOption({ label: "Image (1)" });
    await page.getByText("1 result", { exact: true }).waitFor();
    await row(page, `needle ${size} two.png`).waitFor();
    await page.goBack();
    await page.goForward();
    await page.getByRole("searchbox").fill("there-is-no-such-thing");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Nothing found" }).waitFor();
  }, options);
}

journey("properties are written and found", async (page) => {
  const node = await put(page, "props.txt", "x", "text/plain");
  await page.goto(`${base}/app/document/${node.id}`);
  await button(page, "Add").last().click();
  await page.getByLabel("Name of the property").fill("customer");
  await page.getByLabel("Value").fill("Acme Zweitausend");
  await button(page, "Save").click();
  await page.getByText("Acme Zweitausend").waitFor();
  await page.goto(`${base}/app/search?q=zweit`);
  await row(page, "props.txt").waitFor();
});

journey("favourites, tags, comments and what was opened last", async (page) => {
  const node = await put(page, "marks/marked.txt", "x", "text/plain");
  await page.goto(`${base}/app/document/${node.id}`);
  await button(page, "Favourite").click();
  await page.locator("button[aria-pressed=true][aria-label=Favourite]").waitFor();
  await button(page, "Add").first().click();
  await dialog(page).getByLabel("Tags").fill("urgent, tax 2026");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "tax 2026" }).click();
  await row(page, "marked.txt").waitFor();
  await page.getByRole("link", { name: "Favourites" }).click();
  await row(page, "marked.txt").waitFor();
  await page.getByRole("link", { name: "Recent" }).click();
  await page.getByRole("link", { name: "marked.txt" }).first().click();
  await page.getByRole("tab", { name: "Comments" }).click();
  await page.getByLabel("New comment").fill("First <b>line</b>\nsecond");
  await button(page, "Comment").click();
  await page.getByText("First <b>line</b>").waitFor();
  await button(page, "Edit").click();
  await page.getByLabel("Change the comment").fill("better");
  await button(page, "Save").click();
  await page.getByText("better").waitFor();
  await button(page, "Remove").click();
  await page.getByText("No comments yet.").waitFor();
});

journey("a large folder is drawn in part, and all of it is reached", async (page) => {
  const parent = (await ask(page, "POST", "/api/folders", { name: "many" })).json.id;
  await page.evaluate(async (id) => {
    for (let i = 0; i < 700; i++)
      await fetch("/api/folders", { method: "POST", headers: { "X-Requested-With": "coffer", "Content-Type": "application/json" },
        body: JSON.stringify({ name: `m${String(i).padStart(4, "0")}`, parent: id }) });
  }, parent);
  await page.goto(`${base}/app/files/${parent}`);
  await row(page, "m0000").focus();
  truth((await page.locator("[data-index]").count()) < 100, "not all are drawn");
  await page.keyboard.press("End");
  await page.getByText("700 items").waitFor();
  await page.keyboard.press("End");
  await row(page, "m0699").waitFor();
});
