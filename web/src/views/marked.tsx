// SPDX-License-Identifier: Apache-2.0
// Lists from many folders: what was opened last, favourites, what has a tag; and the tags.
import { useEffect, useState } from "preact/hooks";
import { menuOf } from "../actions";
import { get, type Node, type Page } from "../api";
import { number, t, type TextKey } from "../i18n";
import type { IconName } from "../icons/names";
import { Empty, Failed, Loading, useLoaded } from "../parts/basic";
import { Items } from "../parts/items";
import { Place } from "../parts/place";
import { Toolbar } from "../parts/toolbar";
import { changes } from "../state";

const kinds: Record<string, { icon: IconName; title: TextKey; none: TextKey; help: TextKey }> = {
  recent: { icon: "clock", title: "nav.recent", none: "recent.none", help: "recent.none.help" },
  favourites: { icon: "star", title: "nav.favourites", none: "favourites.none", help: "favourites.none.help" },
  tag: { icon: "tag", title: "tags.of", none: "tags.unused", help: "tags.none" },
};

export function Marked({ which, tag = "" }: { which: string; tag?: string }) {
  const change = changes.use();
  const kind = kinds[which];
  const title = t(kind.title, { tag });
  const path = which === "tag" ? `/api/tags/${encodeURIComponent(tag)}` : `/api/${which}`;
  const list = useLoaded((signal) => get<Page<Node>>(`${path}?marks=1`, signal), [path, change]);
  const [selected, setSelected] = useState<Set<string>>(new Set());
  useEffect(() => {
    document.title = `${title} · Coffer`;
  }, [title]);
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  const nodes = list.value.items;
  return (
    <div class="view">
      <div class="title">
        <h1>{title}</h1>
      </div>
      <Toolbar nodes={nodes.filter((node) => selected.has(node.id))} clear={() => setSelected(new Set())} menu={menuOf} />
      <div class="scroll" data-scroller>
        {nodes.length === 0 ? (
          <Empty icon={kind.icon} title={t(kind.none)}>
            <p>{t(kind.help)}</p>
          </Empty>
        ) : (
          <Items nodes={nodes} label={title} selected={selected} onSelect={setSelected} menu={menuOf}
            when={which === "recent" ? (node) => node.opened_ms ?? 0 : undefined} whenLabel={t("opened")}
            extra={(node) => <Place id={node.parent} />} />
        )}
      </div>
    </div>
  );
}

export function TagList() {
  const change = changes.use();
  const list = useLoaded(() => get<{ items: { tag: string; count: number }[] }>("/api/tags"), [change]);
  useEffect(() => {
    document.title = `${t("tags")} · Coffer`;
  }, []);
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  return (
    <div class="view scroll page-view">
      <h1>{t("tags")}</h1>
      {list.value.items.length === 0 ? (
        <Empty icon="tag" title={t("tags.unused")}>
          <p>{t("tags.none")}</p>
        </Empty>
      ) : (
        <ul class="row wrap">
          {list.value.items.map(({ tag, count }) => (
            <li key={tag}>
              <a class="button" href={`/app/tag/${encodeURIComponent(tag)}`}>
                {tag} <span class="muted">{number(count)}</span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
