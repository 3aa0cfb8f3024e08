// SPDX-License-Identifier: Apache-2.0
// A real OpenID Connect provider (npm: oidc-provider) for the journey through it:
// provider.mjs INSTALLED CERTIFICATE KEY REDIRECT_URI SECRET. Prints its address when it is ready. Anybody
// signs in there under any name.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , installed, certificate, key, redirect, secret] = process.argv;
const require = createRequire(pathToFileURL(installed + "/"));
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.listen(0, "127.0.0.1", () => {
  const issuer = `https://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: "coffer", client_secret: secret, redirect_uris: [redirect], response_types: ["code"],
      grant_types: ["authorization_code"], token_endpoint_auth_method: "client_secret_basic",
    }],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
    conformIdTokenClaims: false, // names and groups are in the ID token
    cookies: { keys: ["for tests"] },
    findAccount: (context, sub) => ({
      accountId: sub,
      claims: () => ({ sub, preferred_username: sub, groups: sub === "grace" ? ["staff"] : [] }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
