// SPDX-License-Identifier: Apache-2.0
// What can be done with folders and documents, wherever they are shown.
import { contentPath, nodePath, patch, Problem, post, remove, send, type Node } from "./api";
import { t } from "./i18n";
import { FolderDialog } from "./parts/folders";
import { problemText } from "./parts/basic";
import { askSure, askText, show, toast, type MenuEntry } from "./parts/overlay";
import { go, hrefOf } from "./router";
import { changed } from "./state";

/** Runs one after the other; says how many failed and why, and lists should be read again. */
export async function forEach(nodes: Node[], run: (node: Node) => Promise<unknown>) {
  const done: Node[] = [];
  let failed: unknown = null;
  for (const node of nodes) {
    try {
      await run(node);
      done.push(node);
    } catch (error) {
      failed = error;
      if (error instanceof Problem && (error.status === 0 || error.status === 401)) break;
    }
  }
  if (failed) toast(problemText(failed));
  changed();
  return done;
}

export function renameAsk(node: Node) {
  askText({
    title: t("rename.title"),
    label: t("name"),
    value: node.name,
    action: t("rename"),
    done: async (name) => {
      await patch(nodePath(node), { name });
      changed();
      toast(t("rename.done", { name }), t("undo"), () =>
        forEach([node], () => patch(nodePath(node), { name: node.name })),
      );
    },
  });
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
  const done = await forEach(nodes, (node) => remove(nodePath(node)));
  if (done.length === 0) return;
  const text =
    done.length === 1
      ? t("trash.done.one", { name: done[0].name })
      : t("trash.done.many", { number: done.length });
  toast(text, t("undo"), () => restore(done));
}

export async function restore(nodes: Node[]) {
  const done = await forEach(nodes, async (node) => {
    try {
      await post(`/api/trash/${node.id}/restore`);
    } catch (error) {
      /* its folder is gone: the root takes it */
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      await post(`/api/trash/${node.id}/restore`, { parent: "root" });
    }
  });
  if (done.length) toast(t("restore.done", { count: done.length }));
}

export function purgeAsk(nodes: Node[]) {
  askSure({
    title: t("purge.title"),
    text: t("purge.text", { count: nodes.length, name: nodes[0].name }),
    action: t("purge"),
    done: async () => {
      await forEach(nodes, (node) => remove(`/api/trash/${node.id}`));
    },
  });
}

export async function move(nodes: Node[], parent: string) {
  const here = nodes.filter((node) => node.parent !== parent && node.id !== parent);
  const done = await forEach(here, (node) => patch(nodePath(node), { parent }));
  if (done.length === 0) return;
  toast(t("move.done", { count: done.length }), t("undo"), () =>
    forEach(done, (node) => patch(nodePath(node), { parent: node.parent ?? "root" })),
  );
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
  await forEach(nodes, async (node) => copies.push(await copyOne(node, parent)));
  if (copies.length)
    toast(t("copy.done", { count: copies.length }), t("undo"), () =>
      forEach(copies, (node) => remove(nodePath(node))),
    );
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

export function menuOf(nodes: Node[]): MenuEntry[] {
  const one = nodes.length === 1 ? nodes[0] : null;
  const entries: MenuEntry[] = [];
  if (one) entries.push({ label: t("open"), icon: "panel", keys: "↵", run: () => go(hrefOf(one)) });
  if (nodes.every((node) => node.kind === "document") && one)
    entries.push({
      label: t("download"), icon: "download", href: downloadHref(nodes), download: true,
    });
  entries.push("line");
  if (one) entries.push({ label: t("rename"), icon: "pencil", keys: "F2", run: () => renameAsk(one) });
  entries.push({ label: t("move"), icon: "move", keys: "M", run: () => moveAsk(nodes) });
  if (nodes.every((node) => node.kind === "document"))
    entries.push({ label: t("copy"), icon: "copy", keys: "C", run: () => copyAsk(nodes) });
  entries.push("line", {
    label: t("delete"), icon: "trash", keys: "Del", danger: true, run: () => void trash(nodes),
  });
  return entries;
}
