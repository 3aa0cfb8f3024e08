// SPDX-License-Identifier: Apache-2.0
// What only CMIS knows (check-out, types), by its Browser binding.
import { send } from "./api";

const BASE = "/cmis/browser/coffer";

export type Properties = Record<string, string | number | boolean | null | (string | number | boolean)[]>;

export async function look<T>(selector: string, id: string, more: Record<string, string> = {}): Promise<T> {
  const query = new URLSearchParams({ objectId: id, cmisselector: selector, succinct: "true", ...more });
  return (await send("GET", `${BASE}/root?${query}`)).json();
}

export async function properties(id: string): Promise<Properties> {
  return (await look<{ succinctProperties: Properties }>("object", id)).succinctProperties;
}

/** `fields` in order; `file` becomes the part `content`; `path`: the repository's for types. */
export async function act<T>(action: string, fields: Record<string, string>, file?: File, path = `${BASE}/root`): Promise<T | null> {
  const all = { cmisaction: action, succinct: "true", ...fields };
  let body: Blob;
  let type: string;
  if (file) {
    const form = new FormData();
    for (const [name, value] of Object.entries(all)) form.append(name, value);
    form.append("content", file, file.name);
    const packed = new Response(form);
    type = packed.headers.get("Content-Type") ?? "";
    body = await packed.blob();
  } else {
    type = "application/x-www-form-urlencoded";
    body = new Blob([new URLSearchParams(all).toString()]);
  }
  const answer = await send("POST", path, { body, headers: { "Content-Type": type } });
  const text = await answer.text();
  return text ? (JSON.parse(text) as T) : null;
}
