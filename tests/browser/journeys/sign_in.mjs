// SPDX-License-Identifier: Apache-2.0
// The first sign-in, and a wrong one.
import { base, journey, user } from "../harness.mjs";
import { button } from "../steps.mjs";

journey("a one-time password must be replaced before anything else", async (page) => {
  await page.goto(base);
  await page.getByLabel("User name").fill(user.name);
  await page.getByLabel("Password").fill("first-one-time-password");
  await button(page, "Sign in").click();
  await page.getByRole("heading", { name: "Choose your password" }).waitFor();
  await page.getByLabel("Current password").fill("first-one-time-password");
  await page.getByLabel("New password", { exact: true }).fill(user.password);
  await page.getByLabel("New password again").fill("something else");
  await button(page, "Change password").click();
  await page.getByText("The two new passwords differ.").waitFor();
  await page.getByLabel("New password again").fill(user.password);
  await button(page, "Change password").click();
  await page.getByRole("heading", { name: "Files" }).waitFor();
  await page.getByText("This folder is empty").waitFor();
}, { signedOut: true });

journey("a wrong password is said, and said to screen readers", async (page) => {
  await page.goto(base + "/app/trash");
  await page.getByLabel("User name").fill(user.name);
  await page.getByLabel("Password").fill("wrong");
  await button(page, "Sign in").click();
  await page.getByRole("alert").filter({ hasText: "The user name or the password is wrong." }).waitFor();
  await page.getByLabel("Password").fill(user.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Trash", exact: true }).waitFor(); // where one wanted to go
}, { signedOut: true });
