// SPDX-License-Identifier: Apache-2.0
// The page when its server is away.
import { journey } from "../harness.mjs";
import { button } from "../steps.mjs";

journey("a server that is not reached is said, and comes back", async (page) => {
  await page.context().setOffline(true);
  await page.getByRole("link", { name: "Trash" }).click();
  await page.getByText("The server cannot be reached").first().waitFor();
  await page.context().setOffline(false);
  await button(page, "Try again").last().click();
  await page.getByRole("heading", { name: "Trash", exact: true }).waitFor();
});
