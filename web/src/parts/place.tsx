// SPDX-License-Identifier: Apache-2.0
// The name of a folder; asked for once.
import { useEffect, useState } from "preact/hooks";
import { get, type Node } from "../api";
import { t } from "../i18n";
import { folderHref } from "../router";
import { changes } from "../state";

const names = new Map<string, Promise<string>>();
changes.on(() => names.clear());

function nameOf(id: string): Promise<string> {
  let name = names.get(id);
  if (!name) {
    name = get<Node>(`/api/folders/${id}`).then((folder) => folder.name);
    name.catch(() => names.delete(id));
    names.set(id, name);
  }
  return name;
}

/** Without `as` a link for rows, where the keyboard has its own way. */
export function Place({ id, as }: { id: string | null; as?: "link" | "text" }) {
  const [name, setName] = useState<string | null>(id === "root" ? "" : null);
  useEffect(() => {
    let current = true;
    if (id) nameOf(id).then((found) => current && setName(found), () => {});
    return () => {
      current = false;
    };
  }, [id]);
  if (!id || name === null) return null;
  const text = name || t("nav.files");
  return as === "text" ? <>{text}</> : <a href={folderHref(id)} tabIndex={as ? undefined : -1}>{text}</a>;
}
