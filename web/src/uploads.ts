// SPDX-License-Identifier: Apache-2.0
// Uploads that can be paused, resumed, and survive a lost connection: tus 1.0 (docs/rest-api.md).
// The server knows how much it has; after any trouble it is asked and the rest is sent.
import { post, Problem, problemOf, send, type Node } from "./api";
import { changed, session, state } from "./state";

export type Phase = "waiting" | "sending" | "paused" | "done" | "failed" | "taken";
export interface Upload {
  id: number;
  file: File;
  parent: string;
  name: string;
  sent: number;
  phase: Phase;
  error?: unknown;
}

const AT_ONCE = 2;
const PART = 8 << 20;
const TRIES = 5;

export const uploads = state<Upload[]>([]);
/* What is being sent; a paused one leaves at once, but its run() ends only with the request at hand. */
const running = new Map<number, XMLHttpRequest | null>();
const ending = new Set<number>();
const places = new Map<number, string>();
let nextId = 1;

function change(id: number, with_: Partial<Upload>) {
  uploads.set(uploads.get().map((one) => (one.id === id ? { ...one, ...with_ } : one)));
}
function find(id: number) {
  return uploads.get().find((one) => one.id === id);
}

const base64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

type Conflict = "fail" | "version" | "rename";
const conflicts = new Map<number, Conflict>();

async function create(one: Upload): Promise<string> {
  const metadata: Record<string, string> = {
    filename: one.name, parent: one.parent, filetype: one.file.type,
    conflict: conflicts.get(one.id) ?? "fail",
  };
  const answer = await send("POST", "/api/uploads", {
    headers: {
      "Tus-Resumable": "1.0.0",
      "Upload-Length": String(one.file.size),
      "Upload-Metadata": Object.entries(metadata).filter(([, value]) => value)
        .map(([key, value]) => `${key} ${base64(value)}`).join(","),
    },
  });
  return new URL(answer.headers.get("Location") ?? "", location.href).pathname;
}

async function offsetOf(place: string): Promise<number> {
  const answer = await send("HEAD", place, { headers: { "Tus-Resumable": "1.0.0" } });
  return Number(answer.headers.get("Upload-Offset"));
}

/** One part by XMLHttpRequest, which unlike fetch tells how far it is. */
function part(one: Upload, place: string, offset: number): Promise<number> {
  const end = Math.min(one.file.size, offset + PART);
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    running.set(one.id, xhr);
    xhr.open("PATCH", place);
    xhr.setRequestHeader("X-Requested-With", "coffer");
    xhr.setRequestHeader("Tus-Resumable", "1.0.0");
    xhr.setRequestHeader("Upload-Offset", String(offset));
    xhr.setRequestHeader("Content-Type", "application/offset+octet-stream");
    xhr.upload.onprogress = (event) => change(one.id, { sent: offset + event.loaded });
    xhr.onload = () =>
      xhr.status === 204
        ? resolve(Number(xhr.getResponseHeader("Upload-Offset")))
        : reject(problemOf(xhr.status, xhr.responseText, xhr.getResponseHeader("Retry-After")));
    xhr.onerror = () => reject(new Problem(0, "offline", "", 0));
    xhr.onabort = () => reject(new DOMException("paused", "AbortError"));
    xhr.send(one.file.slice(offset, end));
  });
}

const stopped = (id: number) => !running.has(id);

async function run(id: number) {
  running.set(id, null);
  change(id, { phase: "sending", error: undefined });
  let tries = 0;
  while (!stopped(id)) {
    const one = find(id);
    if (!one) return;
    try {
      let place = places.get(id);
      let offset = 0;
      if (place) offset = await offsetOf(place);
      else places.set(id, (place = await create(one)));
      while (!stopped(id) && (offset < one.file.size || one.file.size === 0)) {
        offset = await part(one, place, offset);
        tries = 0;
        change(id, { sent: offset });
        if (offset >= one.file.size) break;
      }
      if (stopped(id)) return;
      running.delete(id);
      places.delete(id);
      change(id, { phase: "done", sent: one.file.size });
      changed();
      return;
    } catch (error) {
      if (stopped(id)) return;
      const problem = error instanceof Problem ? error : null;
      /* The connection broke, or the server forgot the upload: begin again where it stands. */
      if (problem && (problem.status === 404 || problem.status === 410) && places.delete(id) && tries++ < TRIES)
        continue;
      if (problem && (problem.status === 0 || problem.status === 409 && problem.type === "wrong-offset" ||
          problem.status === 423 || problem.status >= 500 && problem.status !== 507) && tries++ < TRIES) {
        await new Promise((wake) => setTimeout(wake, 300 * 2 ** tries));
        continue;
      }
      running.delete(id);
      places.delete(id);
      change(id, problem?.status === 409 ? { phase: "taken" } : { phase: "failed", error });
      return;
    }
  }
}

function pump() {
  const list = uploads.get();
  for (const one of list) {
    if (running.size >= AT_ONCE) return;
    if (one.phase !== "waiting" || running.has(one.id) || ending.has(one.id)) continue;
    ending.add(one.id);
    void run(one.id).finally(() => {
      ending.delete(one.id);
      pump();
    });
  }
}

export function add(files: { file: File; parent: string }[]) {
  const made = files.map(({ file, parent }) => ({
    id: nextId++, file, parent, name: file.name.normalize("NFC"), sent: 0, phase: "waiting" as Phase,
  }));
  uploads.set([...uploads.get(), ...made]);
  pump();
}

export function pause(id: number) {
  const xhr = running.get(id);
  running.delete(id);
  xhr?.abort();
  change(id, { phase: "paused" });
  pump();
}
export function resume(id: number) {
  change(id, { phase: "waiting", error: undefined });
  pump();
}
export function settle(id: number, how: Conflict) {
  conflicts.set(id, how);
  resume(id);
}
export function cancel(id: number) {
  const xhr = running.get(id);
  running.delete(id);
  xhr?.abort();
  const place = places.get(id);
  places.delete(id);
  conflicts.delete(id);
  if (place) void send("DELETE", place, { headers: { "Tus-Resumable": "1.0.0" } }).catch(() => {});
  uploads.set(uploads.get().filter((one) => one.id !== id));
  pump();
}
export function clearDone() {
  for (const one of uploads.get()) if (one.phase !== "done") cancel(one.id);
  uploads.set([]);
}
session.on(() => {
  if (session.get().state === "out")
    for (const one of uploads.get()) if (running.has(one.id)) pause(one.id);
});
addEventListener("beforeunload", (event) => {
  if (running.size > 0) event.preventDefault();
});

/* Folders */

const made = new Map<string, Promise<string>>();

/** The id of a folder's child folder; made if it is not there. */
function folderIn(parent: string, name: string): Promise<string> {
  const key = `${parent}/${name}`;
  let there = made.get(key);
  if (!there) {
    there = post<Node>("/api/folders", { name, parent, existing: true }).then((node) => node.id);
    there.catch(() => made.delete(key));
    made.set(key, there);
  }
  return there;
}

/** Puts each file below `parent` at its relative path. */
async function addTree(files: { file: File; path: string[] }[], parent: string) {
  made.clear();
  for (const { file, path } of files) {
    let at = parent;
    for (const name of path) at = await folderIn(at, name.normalize("NFC"));
    add([{ file, parent: at }]);
  }
  changed();
}

const entriesOf = (folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> =>
  new Promise((resolve, reject) => {
    const reader = folder.createReader();
    const found: FileSystemEntry[] = [];
    const more = () =>
      reader.readEntries((some) => {
        found.push(...some);
        if (some.length) more();
        else resolve(found);
      }, reject);
    more();
  });

async function walk(entry: FileSystemEntry, parent: string): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    add([{ file, parent }]);
    return;
  }
  const folder = await folderIn(parent, entry.name.normalize("NFC"));
  for (const inside of await entriesOf(entry as FileSystemDirectoryEntry)) await walk(inside, folder);
}

/** What was dropped: files, and folders with all that is in them. */
export async function dropped(event: DragEvent, parent: string) {
  const items = [...(event.dataTransfer?.items ?? [])];
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...(event.dataTransfer?.files ?? [])];
  if (entries.every((entry) => entry === null || entry.isFile)) {
    add(files.map((file) => ({ file, parent })));
    return;
  }
  made.clear();
  for (const entry of entries) if (entry) await walk(entry, parent);
  changed();
}

function pick(folder: boolean, taken: (files: File[]) => void) {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.webkitdirectory = folder;
  input.hidden = true;
  input.onchange = () => {
    taken([...(input.files ?? [])]);
    input.remove();
  };
  input.oncancel = () => input.remove();
  document.body.append(input);
  input.click();
}
export function pickFiles(parent: string) {
  pick(false, (files) => add(files.map((file) => ({ file, parent }))));
}
export function pickFolder(parent: string) {
  pick(true, (files) =>
    void addTree(
      files.map((file) => ({ file, path: file.webkitRelativePath.split("/").slice(0, -1) })),
      parent,
    ),
  );
}
