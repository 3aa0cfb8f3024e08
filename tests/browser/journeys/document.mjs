// SPDX-License-Identifier: Apache-2.0
// One document: versions, previews, check-out.
import { existsSync } from "node:fs";
import { docx, pdf } from "../samples.mjs";
import { ask, base, equal, journey, put, truth } from "../harness.mjs";
import { button, dialog, file } from "../steps.mjs";

journey("versions are listed, shown, compared and restored", async (page) => {
  await put(page, "story.txt", "one\ntwo\nthree\n", "text/plain");
  const node = await put(page, "story.txt", "one\n2\nthree\nfour\n", "text/plain");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.getByRole("tab", { name: "Versions" }).click();
  await button(page, "Compare").first().click();
  await page.getByText("2 added, 1 removed").waitFor();
  equal(await page.locator(".diff .add .line").allTextContents(), ["2", "four"], "what was added");
  equal(await page.locator(".diff .drop .line").allTextContents(), ["two"], "what was removed");
  await page.keyboard.press("Escape");
  await page.getByRole("listitem").filter({ hasText: "Version 1" }).getByRole("button", { name: "Show" }).click();
  await page.locator("pre.text", { hasText: "two" }).waitFor();
  await button(page, "Restore").click();
  await page.getByRole("listitem").filter({ hasText: "Version 3" }).waitFor();
});

journey("previews show PDF, images, texts and HTML, and nothing in them runs", async (page) => {
  const readable = pdf("Readable");
  let node = await put(page, "a.pdf", readable, "application/pdf");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.locator(".text-layer", { hasText: "Readable" }).waitFor();
  const script = "<script>parent.document.title='ran';document.title='ran'</script>";
  node = await put(page, "a.html", `<h1>Seen</h1>${script}<img src=x onerror="parent.document.title='ran'">`, "text/html");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.frameLocator("iframe").getByRole("heading", { name: "Seen" }).waitFor();
  node = await put(page, "a.svg", `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>document.title='ran'</script></svg>`, "image/svg+xml");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.locator(".image img").waitFor();
  truth(await page.locator(".image img").evaluate((image) => image.decode().then(() => image.naturalWidth === 9)), "the image is drawn");
  truth(!(await page.title()).includes("ran"), "no script ran");
  node = await put(page, "words.docx", docx("Only words"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.locator("pre.words", { hasText: /^Only words$/ }).waitFor();
  node = await put(page, "a.docx", "PK", "application/vnd.openxmlformats-officedocument.wordprocessingml.document");
  await page.goto(`${base}/app/document/${node.id}`);
  await page.getByRole("heading", { name: "No preview for this kind of document" }).waitFor();
});

journey("tiles show thumbnails of PDF and images, or icons", async (page) => {
  const folder = (await ask(page, "POST", "/api/folders", { name: "Pictures" })).json.id;
  const made = await put(page, "Pictures/made.pdf", pdf("Small"), "application/pdf");
  const bad = await put(page, "Pictures/bad.pdf", "%PDF-", "application/pdf");
  const drawn = Buffer.from("R0lGODlhAQABAIAAAP8AAP///yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==", "base64");
  await put(page, "Pictures/dot.gif", drawn, "image/gif");
  /* Whether there is one depends on what is installed beside the server. */
  const has = (node) => ask(page, "GET", `/api/documents/${node.id}/thumbnail`).then((answer) => answer.status === 200);
  const installed = existsSync("/usr/bin/pdftoppm");
  for (let tries = 0; installed && tries < 1000 && !(await has(made)); tries++);
  await page.goto(`${base}/app/files/${folder}`);
  await button(page, "Tiles").click();
  const tile = (name) => page.locator(".tiles .item").filter({ hasText: name });
  if (await has(made)) {
    const image = tile("made.pdf").locator("img");
    await image.waitFor();
    equal(await image.evaluate((it) => it.decode().then(() => [it.naturalWidth, it.naturalHeight])), [248, 320], "the picture");
  }
  await tile("bad.pdf").locator("svg").first().waitFor();
  await tile("bad.pdf").locator("img").waitFor({ state: "detached" });
  truth(!(await has(bad)), "nothing is made of what is no PDF");
  await tile("dot.gif").locator("img").waitFor();
});

journey("a document is checked out, kept from others, and checked in", async (page) => {
  const node = await put(page, "checkout.txt", "one", "text/plain");
  await page.goto(`${base}/app/document/${node.id}`);
  await button(page, "Actions").click();
  await page.getByRole("menuitem", { name: "Check out" }).click();
  await page.getByText("You have checked this document out.").waitFor();
  const refused = await ask(page, "PUT", `/api/documents/${node.id}/content`, { x: 1 });
  equal(refused.status, 409, "a change from elsewhere");
  await button(page, "Check in").click();
  await dialog(page).getByLabel("What has changed").fill("second draft");
  await dialog(page).getByLabel("New content").setInputFiles(file("checkin.txt", "two"));
  await dialog(page).getByRole("button", { name: "Check in" }).click();
  await page.locator("pre.text", { hasText: "two" }).waitFor();
  await page.getByText("You have checked this document out.").waitFor({ state: "detached" });
});
