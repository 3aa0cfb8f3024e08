// SPDX-License-Identifier: Apache-2.0
// The pictures of the README: `tests/scenario/browser.py build/src/dms/coffer-dms build/browser-tests
// pictures` writes them to docs/images.
import { fileURLToPath } from "node:url";
import { ask, base, journey, open, put, run, signIn, SIZES } from "./harness.mjs";
import { docx, page as pdfPage } from "./samples.mjs";

const place = fileURLToPath(new URL("../../docs/images/", import.meta.url));

const line = (size, y, text) => `BT /F1 ${size} Tf 72 ${y} Td (${text}) Tj ET\n`;
const bars = [60, 90, 72, 120, 150, 190].map((height, i) => `${90 + 70 * i} 280 44 ${height} re f\n`);
const report = pdfPage([
  line(26, 650, "Annual report 2026"), line(13, 610, "Acme Ltd, for the general meeting of 12 March"),
  line(12, 560, "The year was good. Revenue grew by eleven per cent, most of it with customers"),
  line(12, 540, "who came to us because their documents stay theirs."),
  "0.04 0.42 0.39 rg\n", ...bars].join(""));

async function shown(page, path, what) {
  await page.goto(`${base}/app/${path}`);
  await page.locator(what).first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
  await page.waitForLoadState("networkidle");
  await page.mouse.move(0, 0); // over nothing
}

journey("pictures", async (page) => {
  await page.setViewportSize({ width: 1280, height: 680 }); // what there is to see, and small files
  const made = {};
  for (const name of ["Contracts", "Invoices 2026", "Minutes", "Projects", "Templates"])
    made[name] = (await ask(page, "POST", "/api/folders", { name, parent: "root" })).json;
  const word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
  await put(page, "Budget 2026.csv", "month,amount\nJanuary,1200\n", "text/csv");
  await put(page, "Offer Müller & Söhne.docx", docx("Offer"), word);
  await put(page, "Agenda of the general meeting.md", "# Agenda\n", "text/markdown");
  const node = await put(page, "Annual report.pdf", report, "application/pdf");
  await ask(page, "PUT", `/api/nodes/${node.id}/tags`, { tags: ["2026", "finance"] });
  for (const one of [node, made.Contracts]) await ask(page, "PUT", `/api/favourites/${one.id}`);

  const pdfReady = ".page canvas";
  await shown(page, "files", "[role=row] a");
  await page.screenshot({ path: `${place}web-files.png` });
  await page.emulateMedia({ colorScheme: "dark" });
  await shown(page, `document/${node.id}`, pdfReady);
  await page.getByRole("tab", { name: "Sharing" }).click();
  await page.getByRole("heading", { name: "Shared links" }).waitFor();
  await page.screenshot({ path: `${place}web-document.png` });

  const phone = await open(SIZES.phone);
  await signIn(phone);
  const halves = [];
  for (const [path, what] of [["files", "[role=row] a"], [`document/${node.id}`, pdfReady]]) {
    await shown(phone, path, what);
    halves.push((await phone.screenshot()).toString("base64"));
  }
  const both = await open({ viewport: { width: 780, height: 844 } });
  await both.setContent(halves.map((half) => `<img src="data:image/png;base64,${half}" width="390">`).join(""));
  await both.addStyleTag({ content: "body { display: flex; margin: 0 }" });
  await both.screenshot({ path: `${place}web-phone.png` });
  for (const one of [phone, both]) await one.context().close();
});

await run();
