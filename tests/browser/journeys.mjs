// SPDX-License-Identifier: Apache-2.0
// What people do with the web interface, from the first sign-in on, at desktop and phone size.
import { run } from "./harness.mjs";
import "./journeys/sign_in.mjs"; // first: it replaces the one-time password
import "./journeys/files.mjs";
import "./journeys/find.mjs";
import "./journeys/document.mjs";
import "./journeys/sharing.mjs";
import "./journeys/types.mjs";
import "./journeys/keeping.mjs";
import "./journeys/keyboard.mjs";
import "./journeys/frame.mjs";
import "./journeys/account.mjs";
import "./journeys/axe.mjs";

await run();
