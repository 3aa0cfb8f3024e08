// SPDX-License-Identifier: Apache-2.0
// Requests to the server's REST interface. Whoever is signed in is in a cookie that no script sees;
// the header X-Requested-With proves to the server that this page asks.
import { offline, session } from "./state";

export interface Node {
  id: string;
  kind: "folder" | "document";
  name: string;
  parent: string | null;
  size?: number;
  type?: string;
  version?: number;
  etag?: string;
  created_ms: number;
  modified_ms: number;
  created_by: string;
  modified_by: string;
  properties: Record<string, string>;
  trashed_ms?: number;
  favourite?: boolean;
  tags?: string[];
  opened_ms?: number;
}
export interface Page<T> {
  items: T[];
  next: string | null;
}
export interface Version {
  version: number;
  size: number;
  type: string | null;
  created_ms: number;
  created_by: string;
  etag: string;
}
/** null: no limit */
export interface Quota {
  bytes: number | null;
  documents: number | null;
  bytes_used: number;
  documents_used: number;
}
export interface User {
  name: string;
  role: "admin" | "user";
  /** Also by a group. */
  administrator?: boolean;
  groups: string[];
  quota: Quota;
  password_change_required: boolean;
  created_ms: number;
}

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    readonly detail: string,
    readonly retryS: number,
  ) {
    super(detail);
  }
}

export const OFFLINE = 0;

/** "urn:coffer:problem:changed" is "changed". */
export function problemOf(status: number, text: string, retry: string | null): Problem {
  let type = "";
  let detail = "";
  try {
    const body = JSON.parse(text);
    type = String(body.type ?? "").replace("urn:coffer:problem:", "");
    detail = String(body.detail ?? body.title ?? body.message ?? "");
    if (body.exception) type = `cmis-${body.exception}`; // by the Browser binding (CMIS 1.1, 5.2.10)
  } catch {
    /* not ours: a proxy's page, or nothing */
  }
  return new Problem(status, type, detail, Number(retry ?? 0) || 0);
}

export interface Asking {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** A 401 is an answer here, not the end of the session. */
  signingIn?: boolean;
}

export async function send(method: string, path: string, asking: Asking = {}): Promise<Response> {
  const headers: Record<string, string> = { "X-Requested-With": "coffer", ...asking.headers };
  let body: BodyInit | undefined;
  if (asking.body instanceof Blob) body = asking.body;
  else if (asking.body !== undefined) {
    body = JSON.stringify(asking.body);
    headers["Content-Type"] ??= "application/json";
  }
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, body, signal: asking.signal });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    offline.set(true);
    throw new Problem(OFFLINE, "offline", "", 0);
  }
  offline.set(false);
  if (answer.ok || answer.status === 304) return answer;
  const problem = problemOf(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  if (answer.status === 401 && !asking.signingIn) session.set({ state: "out", ended: true });
  if (problem.type === "password-change-required") session.set({ state: "must-change" });
  throw problem;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send("GET", path, { signal })).json();
}
export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  const answer = await send("POST", path, { body });
  return answer.status === 204 ? (undefined as T) : answer.json();
}
export async function patch<T>(path: string, body: unknown): Promise<T> {
  return (await send("PATCH", path, { body })).json();
}
export async function put(path: string, body: unknown): Promise<void> {
  await send("PUT", path, { body });
}
export async function remove(path: string): Promise<number> {
  return (await send("DELETE", path)).status;
}

export function nodePath(node: { kind: string; id: string }): string {
  return `/api/${node.kind === "folder" ? "folders" : "documents"}/${node.id}`;
}
export function contentPath(id: string, version?: number): string {
  return version === undefined
    ? `/api/documents/${id}/content`
    : `/api/documents/${id}/versions/${version}/content`;
}

/** All pages of a list, at most `max` items. */
export async function all<T>(path: string, max = 5000): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const mark = path.includes("?") ? "&" : "?";
    const more: Page<T> = await get(
      `${path}${mark}limit=1000${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
    );
    items.push(...more.items);
    cursor = more.next;
  } while (cursor && items.length < max);
  return items;
}
