// SPDX-License-Identifier: Apache-2.0
// TAP for journeys in a real Chromium. Every page watches for errors of scripts and for violations
// of the content security policy: either fails the journey in which it happens.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , url, installed, chromiumPath] = process.argv;
const require = createRequire(pathToFileURL(installed + "/"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const base = url;
export const SIZES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

export const user = {
  name: process.env.COFFER_TEST_USER ?? "admin",
  password: process.env.COFFER_TEST_PASSWORD ?? "a-password-for-tests",
};

const tests = [];
export function journey(name, run, options = {}) {
  tests.push({ name, run, options });
}

export function equal(got, wanted, what = "value") {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what} is ${a}, not ${b}`);
}
export function truth(value, what) {
  if (!value) throw new Error(`not so: ${what}`);
}

let browser;

/** A page of its own; `problems` collects what must not happen. */
export async function open(options = {}, problems = []) {
  const context = await browser.newContext({ locale: "en-GB", ...SIZES.desktop, ...options });
  context.setDefaultTimeout(Number(process.env.COFFER_TEST_TIMEOUT ?? 20000));
  const page = await context.newPage();
  const also = process.env.COFFER_TEST_ALSO; // another server that belongs to the journey, and nothing else
  if (also)
    await page.route((at) => !at.href.startsWith(base) && !at.href.startsWith(also), (route) => route.abort());
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    /* A document's own sandbox refuses what is in it: that is as it should be. */
    if (/Content Security Policy|Refused to/.test(text) && page.url().startsWith(base) && !text.includes(`${base}/api/documents/`))
      problems.push(`policy: ${text}`);
  });
  page.on("request", (request) => {
    const at = request.url();
    if (also && (at.startsWith(also) || page.url().startsWith(also))) return;
    if (!at.startsWith(base) && !/^(blob|data|about):/.test(at)) problems.push(`foreign: ${at}`);
  });
  return page;
}

export async function signIn(page, name = user.name, password = user.password, path = "/app/files") {
  await page.goto(base + path);
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.locator("main#main").waitFor();
}

/** Violations of WCAG 2.2 A and AA that axe finds in what is shown; `colours`: only of contrast. */
export async function violations(page, colours) {
  await page.evaluate(axe);
  const found = await page.evaluate(
    (runOnly) => globalThis.axe.run(document, { runOnly, resultTypes: ["violations"] }),
    colours ? { type: "rule", values: ["color-contrast"] }
      : ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  );
  return found.violations.map(
    (one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary?.split("\n")[1] ?? ""}`).join("; ")}`,
  );
}

/** What a request of the page's own gets; `body` as JSON. */
export async function ask(page, method, path, body) {
  return page.evaluate(
    async ([m, p, b]) => {
      const headers = { "X-Requested-With": "coffer", "Content-Type": "application/json" };
      const answer = await fetch(p, { method: m, headers, body: b === undefined ? undefined : JSON.stringify(b) });
      const text = await answer.text();
      try {
        return { status: answer.status, json: JSON.parse(text) };
      } catch {
        return { status: answer.status, json: null, text };
      }
    },
    [method, path, body],
  );
}

/** Stores a document by path and gives its node. */
export async function put(page, path, content, type = "application/octet-stream") {
  const bytes = Buffer.from(content).toString("base64");
  return page.evaluate(
    async ([p, b, kind]) => {
      const raw = Uint8Array.from(atob(b), (c) => c.charCodeAt(0));
      const headers = { "X-Requested-With": "coffer", "Content-Type": kind };
      const encoded = p.split("/").map(encodeURIComponent).join("/");
      return (await fetch(`/api/files/${encoded}`, { method: "PUT", headers, body: raw })).json();
    },
    [path, bytes, type],
  );
}

export async function run() {
  browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  console.log(`TAP version 13\n1..${tests.length}`);
  const only = new RegExp(process.env.COFFER_TEST_ONLY ?? "");
  for (const [index, { name, run: walk, options }] of tests.entries()) {
    const problems = [];
    let failure = null;
    if (index > 0 && !only.test(name)) {
      console.log(`ok ${index + 1} - ${name} # SKIP not asked for`);
      continue;
    }
    const page = await open(options, problems);
    try {
      if (!options.signedOut) await signIn(page, user.name, user.password, options.path);
      await walk(page);
    } catch (error) {
      failure = error;
      const place = process.env.COFFER_TEST_SHOTS;
      if (place) await page.screenshot({ path: `${place}/${index + 1}.png` }).catch(() => {});
    }
    await page.context().close();
    if (!failure && problems.length) failure = new Error(problems.join("; "));
    console.log(`${failure ? "not ok" : "ok"} ${index + 1} - ${name}`);
    if (failure) console.log(`${failure.stack ?? failure}`.replace(/^/gm, "# "));
    if (failure && index === 0) {
      console.log("Bail out! nobody can sign in");
      break;
    }
  }
  await browser.close();
}
