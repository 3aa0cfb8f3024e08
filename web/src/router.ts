// SPDX-License-Identifier: Apache-2.0
// Addresses: /app/files/ID, /app/document/ID, /app/search?q=..., and so on.
import { state } from "./state";

export interface Place {
  view: string;
  id: string;
  query: URLSearchParams;
}

function read(): Place {
  const parts = location.pathname.split("/").filter(Boolean);
  return {
    view: parts[0] === "app" ? (parts[1] ?? "files") : "files",
    id: parts[2] ? decodeURIComponent(parts[2]) : "",
    query: new URLSearchParams(location.search),
  };
}

export const place = state<Place>(read());
addEventListener("popstate", () => place.set(read()));

export function go(path: string, replace = false) {
  if (replace) history.replaceState(null, "", path);
  else if (path !== location.pathname + location.search) history.pushState(null, "", path);
  place.set(read());
}

export function folderHref(id: string) {
  return id === "root" ? "/app/files" : `/app/files/${id}`;
}
export function hrefOf(node: { kind: string; id: string }) {
  return node.kind === "folder" ? folderHref(node.id) : `/app/document/${node.id}`;
}

/** Plain clicks on links of ours stay in the page; all others are the browser's. */
export function onLink(event: MouseEvent) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey)
    return;
  const link = (event.target as Element | null)?.closest?.("a");
  const href = link?.getAttribute("href");
  if (!link || !href?.startsWith("/app") || link.target || link.hasAttribute("download")) return;
  event.preventDefault();
  go(href);
}
