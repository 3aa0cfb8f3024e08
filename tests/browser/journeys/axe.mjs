// SPDX-License-Identifier: Apache-2.0
// Every page is judged by axe, at both sizes, light and dark.
import { ask, base, equal, journey, put, SIZES, violations } from "../harness.mjs";
import { button, dialog, row } from "../steps.mjs";

for (const [size, options] of Object.entries(SIZES))
  for (const colorScheme of ["light", "dark"])
    journey(`axe finds nothing on any page, ${size}, ${colorScheme}`, async (page) => {
      const found = [];
      const look = async (what) => {
        for (const one of await violations(page, colorScheme === "dark")) found.push(`${what}: ${one}`);
      };
      const node = await put(page, "axe/document.txt", "some text\n", "text/plain");
      await put(page, "axe/document.txt", "some more text\n", "text/plain");
      await ask(page, "POST", "/api/groups", { name: "axe" }); // the second time it is there
      await ask(page, "PUT", "/api/groups/axe/members/admin");
      const pages = ["files", `files/${node.parent}`, `document/${node.id}`, "search?q=axe", "recent", "favourites",
        "tags", "tag/axe", "shared", "trash", "audit", "holds", "hooks", "users", "types", "profile", "protection", "nowhere"];
      for (const path of pages) {
        await page.goto(`${base}/app/${path}`);
        await page.locator("main h1, main h2").first().waitFor();
        await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
        await look(path);
      }
      await page.goto(`${base}/app/users`);
      await button(page, "1 member axe").click();
      await button(page, "Remove admin").waitFor();
      await look("members");
      await page.keyboard.press("Escape");
      await button(page, "Actions for admin").click();
      await page.getByRole("menuitem", { name: "Quota" }).click();
      await dialog(page).waitFor();
      await look("quota");
      await page.goto(`${base}/app/types`);
      await button(page, "Add type").click();
      await dialog(page).getByLabel("Name").first().fill(`Axe ${size} ${colorScheme}`);
      await dialog(page).getByLabel("Use").selectOption("cmis:document");
      await dialog(page).getByLabel("Name of the property").fill("State");
      await dialog(page).getByLabel("Choices").fill("open");
      await dialog(page).getByLabel("required").check();
      await look("new type");
      await button(page, "Create").click();
      await button(page, `Change Axe ${size} ${colorScheme}`).click();
      await dialog(page).getByLabel("More choices").waitFor();
      await button(page, "Add property").click();
      await look("change of a type");
      await page.goto(`${base}/app/files/${node.parent}`);
      await row(page, "document.txt").waitFor();
      await button(page, "More ways to upload").click();
      await page.getByRole("menuitem", { name: "Upload with a type" }).click();
      await dialog(page).getByLabel("State (required)").waitFor();
      await look("upload with a type");
      await page.keyboard.press("Escape");
      await button(page, "Tiles").click();
      await page.getByRole("option").first().waitFor();
      await look("tiles");
      await button(page, "List").click();
      await row(page, "document.txt").getByRole("checkbox").check();
      await look("selection");
      await row(page, "document.txt").getByRole("button", { name: /Actions/ }).click();
      await look("menu");
      await page.getByRole("menuitem", { name: "Rename" }).click();
      await dialog(page).waitFor();
      await look("dialog");
      await page.keyboard.press("Escape");
      await page.goto(`${base}/app/document/${node.id}`);
      for (const tab of ["Comments", "Sharing", "Activity", "Versions"]) {
        await page.getByRole("tab", { name: tab }).click();
        await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
        await look(tab);
      }
      await button(page, "Compare").first().click();
      await page.locator(".diff").waitFor();
      await look("comparison");
      await page.context().clearCookies();
      await page.goto(base);
      await button(page, "Sign in").waitFor();
      await look("sign in");
      equal(found, [], "what axe found");
    }, { ...options, colorScheme });
