// SPDX-License-Identifier: Apache-2.0
// Folders and files: made, uploaded, moved, copied, deleted, brought back, downloaded.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ask, base, equal, journey, put, SIZES } from "../harness.mjs";
import { button, choose, dialog, file, message, place, row, rowGone, uploaded, uploadFiles } from "../steps.mjs";

for (const [size, options] of Object.entries(SIZES)) {
  const at = `at ${size} size`;

  journey(`folders are made, opened and renamed, ${at}`, async (page) => {
    const name = `Contracts ${size}`;
    await button(page, "New folder").first().click();
    await dialog(page).getByLabel("Name").fill(name);
    await dialog(page).getByRole("button", { name: "Create" }).click();
    await choose(page, name, "Rename");
    await dialog(page).getByLabel("Name").fill(`${name} 2`);
    await page.keyboard.press("Enter");
    await row(page, `${name} 2`).waitFor();
    await message(page, "Renamed").getByRole("button", { name: "Undo" }).click();
    await page.getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { name, exact: true }).waitFor();
    await page.getByText("This folder is empty").waitFor();
    await page.getByRole("navigation", { name: "Where you are" }).getByRole("link", { name: "Files" }).click();
    await row(page, name).waitFor();
  }, options);

  journey(`files are uploaded, and a taken name is settled, ${at}`, async (page) => {
    const name = `letter-${size}.txt`;
    await uploadFiles(page, [file(name, "first"), file(`empty-${size}.txt`, "")]);
    await uploaded(page, "2 of 2 uploaded");
    await row(page, name).waitFor();
    await button(page, "Close").click();
    await uploadFiles(page, [file(name, "second")]);
    await page.getByText("This name is taken.").waitFor();
    await button(page, "New version").click();
    await uploaded(page, "1 of 1 uploaded");
    await uploadFiles(page, [file(name, "third")]);
    await button(page, "Keep both").click();
    await row(page, `letter-${size} (2).txt`).waitFor();
    await page.getByRole("link", { name, exact: true }).click();
    await page.locator("pre.text", { hasText: "second" }).waitFor();
  }, options);

  journey(`things are moved, copied, deleted, brought back and purged, ${at}`, async (page) => {
    const name = `walk-${size}.txt`;
    const folder = `Walk ${size}`;
    await ask(page, "POST", "/api/folders", { name: folder });
    await put(page, name, "walk");
    await page.reload();
    await choose(page, name, "Copy to …");
    await dialog(page).getByRole("button", { name: folder, exact: true }).click();
    await dialog(page).getByText("No folders in here").waitFor();
    await dialog(page).getByRole("button", { name: "Copy here" }).click();
    await message(page, "Copied").waitFor();
    await choose(page, name, "Delete");
    await rowGone(page, name);
    await message(page, "moved to the trash").getByRole("button", { name: "Undo" }).click();
    await row(page, name).waitFor();
    await page.getByRole("link", { name: folder, exact: true }).click();
    await choose(page, name, "Rename");
    await dialog(page).getByLabel("Name").fill(`copy-${size}.txt`);
    await page.keyboard.press("Enter");
    await choose(page, `copy-${size}.txt`, "Move to …");
    await button(page, "Up one level").click();
    await dialog(page).getByRole("button", { name: folder, exact: true }).waitFor();
    await dialog(page).getByRole("button", { name: "Move here" }).click();
    await page.getByText("This folder is empty").waitFor();
    await page.goto(base + "/app/files");
    await row(page, `copy-${size}.txt`).getByRole("checkbox").check();
    await row(page, name).getByRole("checkbox").check();
    await page.getByText("2 selected").waitFor();
    await button(page, "Delete").click();
    await rowGone(page, name);
    await page.goto(base + "/app/trash");
    await choose(page, name, "Restore");
    await rowGone(page, name);
    await choose(page, `copy-${size}.txt`, "Delete for good");
    await dialog(page).getByRole("button", { name: "Delete for good" }).click();
    await rowGone(page, `copy-${size}.txt`);
    await page.goto(base + "/app/files");
    await row(page, name).waitFor();
  }, options);
}

journey("a whole folder is uploaded with what is in it", async (page) => {
  file("tree/a.txt", "a");
  file("tree/deep/b.txt", "b");
  file("tree/deep/deeper/c.txt", "c");
  await uploadFiles(page, join(place, "tree"), "Upload folder");
  await uploaded(page, "3 of 3 uploaded");
  await page.getByRole("link", { name: "tree", exact: true }).click();
  await page.getByRole("link", { name: "deep", exact: true }).click();
  await page.getByRole("link", { name: "deeper", exact: true }).click();
  await page.getByRole("link", { name: "c.txt", exact: true }).click();
  await page.locator("pre.text", { hasText: "c" }).waitFor();
});

journey("files are dropped into a folder", async (page) => {
  await page.locator(".view").waitFor();
  const data = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["dropped"], "dropped.txt", { type: "text/plain" }));
    return transfer;
  });
  await page.dispatchEvent(".view", "dragenter", { dataTransfer: data });
  await page.getByText("Drop to upload into this folder").waitFor();
  await page.dispatchEvent(".view", "drop", { dataTransfer: data });
  await uploaded(page, "1 of 1 uploaded");
  await row(page, "dropped.txt").waitFor();
});

journey("an upload is paused, resumed and outlives a lost connection", async (page) => {
  const content = Buffer.alloc(24 << 20);
  for (let i = 0; i < content.length; i += 4) content.writeUInt32LE((i * 2654435761) >>> 0, i);
  const cdp = await page.context().newCDPSession(page);
  const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 4 << 20 };
  await cdp.send("Network.enable");
  await cdp.send("Network.emulateNetworkConditions", slow);
  await uploadFiles(page, [file("large.bin", content)]);
  await button(page, "Pause large.bin").click();
  await page.getByText("Paused").waitFor();
  await button(page, "Resume large.bin").click();
  await page.getByText(/Uploading · [1-9]/).waitFor();
  await cdp.send("Network.emulateNetworkConditions", { ...slow, offline: true });
  await cdp.send("Network.emulateNetworkConditions", { ...slow, uploadThroughput: -1 });
  await uploaded(page, "1 of 1 uploaded");
  const sum = await page.evaluate(async () => {
    const bytes = await (await fetch("/api/files/large.bin")).arrayBuffer();
    return [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].join();
  });

  equal(sum, [...createHash("sha256").update(content).digest()].join(), "its hash");
});

journey("a folder and a selection are downloaded as an archive", async (page) => {
  await put(page, "archive/one.txt", "1", "text/plain");
  await put(page, "archive/two.txt", "2", "text/plain");
  await page.reload();
  let download = page.waitForEvent("download");
  await choose(page, "archive", "Download");
  equal((await download).suggestedFilename(), "archive.zip", "its name");
  await page.getByRole("link", { name: "archive", exact: true }).click();
  await row(page, "one.txt").getByRole("checkbox").check();
  await row(page, "two.txt").getByRole("checkbox").check();
  download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  equal((await download).suggestedFilename(), "documents.zip", "its name");
});
