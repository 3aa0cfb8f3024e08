// SPDX-License-Identifier: Apache-2.0
// The way from the outermost folder to here.
import { useEffect, useState } from "preact/hooks";
import { get, type Node } from "../api";
import { t } from "../i18n";
import { folderHref } from "../router";
import { changes } from "../state";
import { Icon } from "./basic";

/** The folder and those around it, outermost first. */
export async function wayTo(id: string): Promise<Node[]> {
  const way: Node[] = [];
  for (let at: string | null = id; at && way.length < 64; ) {
    const folder: Node = await get<Node>(`/api/folders/${at}`);
    way.unshift(folder);
    at = folder.parent;
  }
  return way;
}

export function Crumbs(p: { id: string; last?: string; onFolder?: (folder: Node) => void }) {
  const [way, setWay] = useState<Node[]>([]);
  const change = changes.use();
  useEffect(() => {
    let current = true;
    wayTo(p.id).then(
      (found) => {
        if (!current) return;
        setWay(found);
        p.onFolder?.(found[found.length - 1]);
        const last = found[found.length - 1];
        const here = p.last ?? (last.id === "root" ? "" : last.name);
        document.title = here ? `${here} · Coffer` : "Coffer";
      },
      () => current && setWay([]),
    );
    return () => {
      current = false;
    };
  }, [p.id, p.last, change]);
  const text = (folder: Node) => (folder.id === "root" ? t("nav.files") : folder.name);
  return (
    <nav class="crumbs" aria-label={t("crumbs")}>
      <ol>
        {way.map((folder, index) => {
          const last = index === way.length - 1 && p.last === undefined;
          return (
            <li key={folder.id}>
              {index > 0 && <Icon name="chevron-right" />}
              {last ? (
                <h1 aria-current="page">{text(folder)}</h1>
              ) : (
                <a href={folderHref(folder.id)}>{text(folder)}</a>
              )}
            </li>
          );
        })}
        {p.last !== undefined && (
          <li>
            <Icon name="chevron-right" />
            <h1 aria-current="page">{p.last}</h1>
          </li>
        )}
        {way.length === 0 && p.last === undefined && <li><h1>{t("nav.files")}</h1></li>}
      </ol>
    </nav>
  );
}
