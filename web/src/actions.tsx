// SPDX-License-Identifier: Apache-2.0
// What can be done with folders and documents, wherever they are shown.
import { contentPath, get, nodePath, patch, Problem, post, put, send, type Node } from "./api";
import { t } from "./i18n";
import { accessAsk } from "./parts/access";
import { FolderDialog } from "./parts/folders";
import { problemText } from "./parts/basic";
import { askSure, askText, show, toast, type MenuEntry } from "./parts/overlay";
import { go, hrefOf } from "./router";
import { changed } from "./state";

interface BulkResult {
  results: { id: string; status: number; type?: string; node?: string }[];
}

/** One action on many, in one request. What could not be done is said; lists are read again. */
export async function bulk(action: string, nodes: Node[], more: Record<string, string> = {}) {
  const done: { node: Node; made?: string }[] = [];
  try {
    for (let at = 0; at < nodes.length; at += 1000) {
      const some = nodes.slice(at, at + 1000);
      const ids = some.map((node) => node.id);
      const { results } = await post<BulkResult>("/api/bulk", { action, ids, ...more });
      results.forEach((result, i) => {
        if (result.status === 200) done.push({ node: some[i], made: result.node });
      });
      const bad = results.find((result) => result.status !== 200);
      if (bad) toast(problemText(new Problem(bad.status, (bad.type ?? "").replace("urn:coffer:problem:", ""), "", 0)));
    }
  } catch (error) {
    toast(problemText(error));
  }
  changed();
  return done;
}

const nodesOf = (done: { node: Node }[]) => done.map((one) => one.node);

export function renameAsk(node: Node) {
  askText({
    title: t("rename.title"),
    label: t("name"),
    value: node.name,
    action: t("rename"),
    done: async (name) => {
      await patch(nodePath(node), { name });
      changed();
      toast(t("rename.done", { name }), t("undo"), () => void rename(node, node.name));
    },
  });
}

async function rename(node: Node, name: string) {
  try {
    await patch(nodePath(node), { name });
  } catch (error) {
    toast(problemText(error));
  }
  changed();
}

export function folderAsk(parent: string) {
  askText({
    title: t("folder.title"),
    label: t("name"),
    action: t("create"),
    done: async (name) => {
      await post("/api/folders", { name, parent });
      changed();
      toast(t("folder.done", { name }));
    },
  });
}

export async function trash(nodes: Node[]) {
  const done = nodesOf(await bulk("trash", nodes));
  if (done.length === 0) return;
  const text =
    done.length === 1
      ? t("trash.done.one", { name: done[0].name })
      : t("trash.done.many", { number: done.length });
  toast(text, t("undo"), () => void restore(done));
}

export async function restore(nodes: Node[]) {
  /* Where its folder is gone, the root takes it. */
  const lost = new Set<string>();
  for (const parent of new Set(nodes.map((node) => node.parent)))
    if (parent && parent !== "root")
      await get(`/api/folders/${parent}`).catch(() => lost.add(parent));
  const home = nodes.filter((node) => !node.parent || !lost.has(node.parent));
  const away = nodes.filter((node) => node.parent && lost.has(node.parent));
  const done = home.length ? await bulk("restore", home) : [];
  if (away.length) done.push(...(await bulk("restore", away, { parent: "root" })));
  if (done.length) toast(t("restore.done", { count: done.length }));
}

export function purgeAsk(nodes: Node[]) {
  askSure({
    title: t("purge.title"),
    text: t("purge.text", { count: nodes.length, name: nodes[0].name }),
    action: t("purge"),
    done: async () => {
      await bulk("purge", nodes);
    },
  });
}

export async function move(nodes: Node[], parent: string) {
  const here = nodes.filter((node) => node.parent !== parent && node.id !== parent);
  const done = nodesOf(here.length ? await bulk("move", here, { parent }) : []);
  if (done.length === 0) return;
  const back = async () => {
    for (const from of new Set(done.map((node) => node.parent ?? "root")))
      await bulk("move", done.filter((node) => (node.parent ?? "root") === from), { parent: from });
  };
  toast(t("move.done", { count: done.length }), t("undo"), () => void back());
}

export function moveAsk(nodes: Node[]) {
  show((close) => (
    <FolderDialog
      title={t("move.title", { count: nodes.length, name: nodes[0].name })}
      action={t("move.here")}
      forbidden={nodes.map((node) => node.id)}
      start={nodes[0].parent ?? "root"}
      close={close}
      done={(parent) => move(nodes, parent)}
    />
  ));
}

/** "a.txt" becomes "a (2).txt". */
export function numbered(name: string, count: number): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `${name.slice(0, dot)} (${count})${name.slice(dot)}` : `${name} (${count})`;
}

/** A name that is taken gets a number. */
async function copyOne(node: Node, parent: string): Promise<Node> {
  for (let count = 1; ; count++) {
    const name = count === 1 ? node.name : numbered(node.name, count);
    try {
      return await post<Node>(`/api/documents/${node.id}/copy`, { parent, name });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 409 || count > 50) throw error;
    }
  }
}

export async function copy(nodes: Node[], parent: string) {
  const copies: Node[] = [];
  try {
    for (const node of nodes) copies.push(await copyOne(node, parent));
  } catch (error) {
    toast(problemText(error));
  }
  changed();
  if (copies.length)
    toast(t("copy.done", { count: copies.length }), t("undo"), () => void bulk("trash", copies));
}

export function copyAsk(nodes: Node[]) {
  show((close) => (
    <FolderDialog
      title={t("copy.title", { count: nodes.length, name: nodes[0].name })}
      action={t("copy.here")}
      forbidden={[]}
      start={nodes[0].parent ?? "root"}
      close={close}
      done={(parent) => copy(nodes, parent)}
    />
  ));
}

export async function versionRestore(node: Node, version: number) {
  await send("POST", `/api/documents/${node.id}/versions/${version}/restore`);
  changed();
  toast(t("versions.restored", { version }));
}

export function downloadHref(nodes: Node[]): string {
  return nodes.length === 1 && nodes[0].kind === "document"
    ? contentPath(nodes[0].id)
    : `/api/zip?ids=${nodes.map((node) => node.id).join(",")}`;
}

export function tagsAsk(node: Node) {
  askText({
    title: t("tags.title", { name: node.name }),
    label: t("tags.label"),
    value: (node.tags ?? []).join(", "),
    action: t("save"),
    optional: true,
    done: async (text) => {
      const tags = [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];
      await put(`/api/nodes/${node.id}/tags`, { tags });
      changed();
    },
  });
}

export function favourite(nodes: Node[], on: boolean) {
  return bulk(on ? "favourite" : "unfavourite", nodes);
}

export function menuOf(nodes: Node[]): MenuEntry[] {
  const one = nodes.length === 1 ? nodes[0] : null;
  const starred = nodes.every((node) => node.favourite);
  const entries: MenuEntry[] = [];
  if (one) entries.push({ label: t("open"), icon: "panel", keys: "↵", run: () => go(hrefOf(one)) });
  entries.push({ label: t("download"), icon: "download", href: downloadHref(nodes), download: true });
  entries.push({
    label: t(starred ? "favourite.off" : "favourite.on"), icon: starred ? "star-filled" : "star", keys: "S",
    run: () => void favourite(nodes, !starred),
  });
  entries.push("line");
  if (one) entries.push({ label: t("rename"), icon: "pencil", keys: "F2", run: () => renameAsk(one) });
  if (one) entries.push({ label: t("access.edit"), icon: "users", run: () => accessAsk(one) });
  if (one) entries.push({ label: t("tags.edit"), icon: "tag", run: () => tagsAsk(one) });
  entries.push({ label: t("move"), icon: "move", keys: "M", run: () => moveAsk(nodes) });
  if (nodes.every((node) => node.kind === "document"))
    entries.push({ label: t("copy"), icon: "copy", keys: "C", run: () => copyAsk(nodes) });
  entries.push("line", {
    label: t("delete"), icon: "trash", keys: "Del", danger: true, run: () => void trash(nodes),
  });
  return entries;
}
