// SPDX-License-Identifier: Apache-2.0
// Types of one's own, and the properties that documents have by them.
import { ask, base, equal, journey, put, SIZES, truth } from "../harness.mjs";
import { button, dialog, message } from "../steps.mjs";

for (const [size, options] of Object.entries(SIZES))
  journey(`a type is made, given to a document and filled in, at ${size} size`, async (page) => {
    const name = `Invoice ${size}`;
    const id = `own:invoice-${size}`;
    await page.goto(`${base}/app/types`);
    await button(page, "Add type").click();
    await dialog(page).getByLabel("Name").first().fill(name);
    const property = (number) => dialog(page).getByRole("group", { name: `Property ${number}` });
    const add = async (number, called, kind) => {
      if (number > 1) await button(page, "Add property").click();
      await property(number).getByLabel("Name").fill(called);
      await property(number).getByLabel("Kind").selectOption(kind);
    };
    await add(1, "Amount", "decimal");
    await property(1).getByLabel("required").check();
    await add(2, "Due", "datetime");
    await add(3, "State", "string");
    await property(3).getByLabel("Choices").fill("open\npaid");
    await add(4, "Payers", "string");
    await property(4).getByLabel("several values").check();
    await add(5, "Checked", "boolean");
    await button(page, "Create").click();
    await page.getByRole("heading", { name }).waitFor();
    const node = await put(page, `typed ${size}.txt`, "x", "text/plain");
    await page.goto(`${base}/app/document/${node.id}`);
    await button(page, "Edit types and their properties").click();
    await page.getByLabel(name).check();
    const form = page.locator("form", { has: page.getByRole("group", { name: "Types of this document" }) });
    await form.getByRole("button", { name: "Save" }).click();
    equal(await form.getByLabel("Amount (required)").evaluate((it) => it.validity.valueMissing), true, "an amount is asked for");
    await form.getByLabel("Amount (required)").fill("1234.5");
    await form.getByLabel("Due").fill("2031-02-03T04:05");
    await form.getByLabel("State").selectOption("paid");
    await form.getByLabel("Payers 1", { exact: true }).fill("Ada");
    await button(page, "Add a value: Payers").click();
    await form.getByLabel("Payers 2", { exact: true }).fill("Grace");
    await form.getByLabel("Checked").selectOption("yes");
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByText("1,234.5").waitFor();
    const shown = await page.locator("dl.facts dd").allTextContents();
    for (const wanted of ["paid", "Ada, Grace", "yes"]) truth(shown.includes(wanted), `${wanted} among ${shown}`);
    truth(shown.some((text) => text.includes("2031")), `the date among ${shown}`);
    const object = (await ask(page, "GET", `/cmis/browser/coffer/root?objectId=${node.id}&succinct=true&cmisselector=object`)).json;
    const values = object.succinctProperties;
    equal([values[`${id}-amount`], values[`${id}-payers`], values[`${id}-checked`]], [1234.5, ["Ada", "Grace"], true], "what CMIS says");
    equal(values[`${id}-due`], await page.evaluate(() => new Date("2031-02-03T04:05").getTime()), "the time");
    await page.goto(`${base}/app/types`);
    await button(page, `Remove ${name}`).click();
    await dialog(page).getByRole("button", { name: "Remove" }).click();
    await page.getByRole("alert").filter({ hasText: /\w/ }).waitFor(); // a document has it
    await page.keyboard.press("Escape");
    await page.goto(`${base}/app/document/${node.id}`);
    await button(page, "Edit types and their properties").click();
    await page.getByLabel(name).uncheck();
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByText("1,234.5").waitFor({ state: "detached" });
    await page.goto(`${base}/app/types`);
    await button(page, `Remove ${name}`).click();
    await dialog(page).getByRole("button", { name: "Remove" }).click();
    await message(page, `${name} removed`).waitFor();
  }, options);

for (const [size, options] of Object.entries(SIZES))
  journey(`a type changes, and documents are uploaded with it, at ${size} size`, async (page) => {
    const name = `Contract ${size}`;
    const id = `own:contract-${size}`;
    await page.goto(`${base}/app/types`);
    await button(page, "Add type").click();
    await dialog(page).getByLabel("Name").first().fill(name);
    await dialog(page).getByLabel("Use").selectOption("cmis:document");
    const property = (number) => dialog(page).getByRole("group", { name: `Property ${number}` });
    await property(1).getByLabel("Name").fill("Partner");
    await property(1).getByLabel("required").check();
    await button(page, "Add property").click();
    await property(2).getByLabel("Name").fill("State");
    await property(2).getByLabel("Choices").fill("open");
    await button(page, "Create").click();
    await page.getByRole("heading", { name }).waitFor();

    await button(page, `Change ${name}`).click();
    await dialog(page).getByRole("group", { name: "Partner" }).getByLabel("Name").fill("Other side");
    await dialog(page).getByRole("group", { name: "State" }).getByLabel("More choices").fill("signed");
    await button(page, "Add property").click();
    equal(await property(1).getByLabel("required").count(), 0, "what is new cannot be required");
    await property(1).getByLabel("Name").fill("Worth");
    await property(1).getByLabel("Kind").selectOption("decimal");
    await button(page, "Save").click();
    await message(page, `${name} changed`).waitFor();
    const card = page.locator("section.card", { has: page.getByRole("heading", { name }) });
    await card.getByText("Worth").waitFor();
    equal(await card.locator("strong").allTextContents(), ["Other side", "State", "Worth"], "names and what is new");

    await page.goto(`${base}/app/files`);
    await button(page, "More ways to upload").click();
    await page.getByRole("menuitem", { name: "Upload with a type" }).click();
    const file = `contract ${size}.txt`;
    await dialog(page).getByLabel("File").setInputFiles({ name: file, mimeType: "text/plain", buffer: Buffer.from("words") });
    await dialog(page).getByLabel("Type").selectOption(id);
    await dialog(page).getByRole("button", { name: "Upload" }).click();
    const partner = dialog(page).getByLabel("Other side (required)");
    equal(await partner.evaluate((it) => it.validity.valueMissing), true, "the other side is asked for");
    await partner.fill("Ada & Co");
    await dialog(page).getByLabel("State").selectOption("signed");
    await dialog(page).getByLabel("Worth").fill("12.5");
    await dialog(page).getByRole("button", { name: "Upload" }).click();
    await message(page, `${file} uploaded`).waitFor();
    const query = `SELECT * FROM ${id} WHERE cmis:name = '${file}'`;
    const found = (await ask(page, "GET", `/cmis/browser/coffer?succinct=true&cmisselector=query&q=${encodeURIComponent(query)}`)).json.results;
    equal(found.length, 1, "one document");
    const values = found[0].succinctProperties;
    equal([values[`${id}-partner`], values[`${id}-state`], values[`${id}-worth`], values["cmis:contentStreamLength"]],
      ["Ada & Co", "signed", 12.5, 5], "what CMIS says");
    await button(page, "More ways to upload").click();
    await page.getByRole("menuitem", { name: "Upload with a type" }).click();
    await dialog(page).getByLabel("File").setInputFiles({ name: file, mimeType: "text/plain", buffer: Buffer.from("x") });
    await dialog(page).getByLabel("Type").selectOption(id);
    await dialog(page).getByLabel("Other side (required)").fill("Grace");
    await dialog(page).getByRole("button", { name: "Upload" }).click();
    await dialog(page).getByRole("alert").filter({ hasText: /\w/ }).waitFor(); // the name is taken
    await page.keyboard.press("Escape");
    await ask(page, "DELETE", `/api/documents/${values["cmis:versionSeriesId"]}`);
    await ask(page, "DELETE", `/api/trash/${values["cmis:versionSeriesId"]}`);
    await page.goto(`${base}/app/types`);
    await button(page, `Remove ${name}`).click();
    await dialog(page).getByRole("button", { name: "Remove" }).click();
    await message(page, `${name} removed`).waitFor();
  }, options);
