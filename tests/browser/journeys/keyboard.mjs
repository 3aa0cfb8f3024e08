// SPDX-License-Identifier: Apache-2.0
// Everything by keyboard.
import { ask, base, equal, journey, put } from "../harness.mjs";
import { dialog, row, rowGone } from "../steps.mjs";

const focused = (page) => page.evaluate(() => document.activeElement.textContent);
/** The row called so has the focus, or gets it with the redraw that is due. */
const onRow = (page, name) =>
  page.waitForFunction((it) => document.activeElement.querySelector(":scope > .c-name a")?.textContent === it, name)
    .catch(async () => { throw new Error(`the focus is not on ${name} but on ${await focused(page)}`); });

journey("everything works by keyboard, and the focus can be seen", async (page) => {
  const folder = "keys";
  await ask(page, "POST", "/api/folders", { name: folder });
  for (const name of ["k1.txt", "k2.txt", "k3.txt"]) await put(page, `${folder}/${name}`, name, "text/plain");
  await page.reload();
  await page.locator("[data-index]").first().waitFor();
  await page.keyboard.press("Tab");
  equal(await focused(page), "Skip to the content", "the first stop");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  equal(await focused(page), "Skip to the content", "the focus after a dialog");
  await page.keyboard.press("/");
  equal(await page.evaluate(() => document.activeElement.id), "search", "the focus");
  await page.goto(base + "/app/files");
  await row(page, folder).focus();
  const ring = await row(page, folder).evaluate((it) => getComputedStyle(it).outlineStyle);
  equal(ring, "solid", "the ring around the focus");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: folder }).waitFor();
  await row(page, "k1.txt").focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Shift+ArrowDown");
  await page.getByText("2 selected").waitFor();
  await onRow(page, "k2.txt");
  await page.keyboard.press("Control+a");
  await page.getByText("3 selected").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("F2");
  await dialog(page).getByLabel("Name").fill("renamed.txt");
  await page.keyboard.press("Enter");
  await row(page, "renamed.txt").waitFor();
  await onRow(page, "renamed.txt"); // it has moved to the end
  await page.keyboard.press("ArrowUp");
  await onRow(page, "k3.txt");
  await page.keyboard.press("Delete");
  await rowGone(page, "k3.txt");
  await onRow(page, "renamed.txt"); // the next one
  await page.keyboard.press("n");
  await dialog(page).getByLabel("Name").fill("by key");
  await page.keyboard.press("Enter");
  await row(page, "by key").waitFor();
  await row(page, "by key").focus();
  await page.keyboard.press("Shift+F10");
  await page.getByRole("menu").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Escape");
  await onRow(page, "by key");
  await page.keyboard.press("Backspace");
  await page.getByRole("heading", { name: "Files", exact: true }).waitFor();
});

journey("a name to change is selected as soon as its dialog is there", async (page) => {
  const folder = await ask(page, "POST", "/api/folders", { name: "At once" });
  await put(page, "At once/selected at once.txt", "x", "text/plain");
  await page.goto(`${base}/app/files/${folder.json.id}`);
  await row(page, "selected at once.txt").focus();
  /* Called before the next frame, and before any timer: nothing typed can come earlier. */
  await page.evaluate(() => {
    new MutationObserver((_, self) => {
      const input = document.querySelector("dialog input");
      if (!input) return;
      self.disconnect();
      globalThis.selectedFirst = input.value.slice(input.selectionStart, input.selectionEnd);
      globalThis.focusedFirst = document.activeElement === input;
    }).observe(document.body, { childList: true, subtree: true });
  });
  await page.keyboard.press("F2");
  await dialog(page).waitFor();
  equal(await page.evaluate(() => globalThis.selectedFirst), "selected at once", "what is selected");
  equal(await page.evaluate(() => globalThis.focusedFirst), true, "the field has the focus");
});
