// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { purgeAsk, restore } from "../actions";
import { all, remove, type Node } from "../api";
import { t } from "../i18n";
import { Empty, Failed, Icon, Loading, useLoaded } from "../parts/basic";
import { Items } from "../parts/items";
import { askSure, type MenuEntry } from "../parts/overlay";
import { Place } from "../parts/place";
import { Toolbar } from "../parts/toolbar";
import { changed, changes } from "../state";

const menu = (nodes: Node[]): MenuEntry[] => [
  { label: t("restore"), icon: "restore", run: () => void restore(nodes) },
  { label: t("purge"), icon: "trash", danger: true, run: () => purgeAsk(nodes) },
];

function emptyAsk(count: number) {
  askSure({
    title: t("trash.empty.title"),
    text: t("trash.empty.text", { count }),
    action: t("trash.empty"),
    done: async () => {
      while ((await remove("/api/trash")) === 202);
      changed();
    },
  });
}

export function Trash() {
  const change = changes.use();
  const list = useLoaded(() => all<Node>("/api/trash"), [change]);
  const [selected, setSelected] = useState<Set<string>>(new Set());
  useEffect(() => {
    document.title = `${t("nav.trash")} · Coffer`;
  }, []);
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  const nodes = list.value;
  const chosen = nodes.filter((node) => selected.has(node.id));
  const clear = () => setSelected(new Set());
  return (
    <div class="view">
      <div class="title">
        <h1>{t("nav.trash")}</h1>
        <p class="muted">{t("trash.help")}</p>
      </div>
      <Toolbar nodes={chosen} clear={clear} menu={menu}
        simple={
          <>
            <button type="button" class="button quiet" onClick={() => void restore(chosen).then(clear)}>
              <Icon name="restore" />
              {t("restore")}
            </button>
            <button type="button" class="button quiet" onClick={() => purgeAsk(chosen)}>
              <Icon name="trash" />
              {t("purge")}
            </button>
          </>
        }>
        <button type="button" class="button" disabled={nodes.length === 0} onClick={() => emptyAsk(nodes.length)}>
          <Icon name="trash" />
          {t("trash.empty")}
        </button>
      </Toolbar>
      <div class="scroll" data-scroller>
        {nodes.length === 0 ? (
          <Empty icon="trash" title={t("trash.none")}>
            <p>{t("trash.none.help")}</p>
          </Empty>
        ) : (
          <Items nodes={nodes} label={t("nav.trash")} selected={selected} onSelect={setSelected} menu={menu}
            open={(node) => setSelected(new Set([node.id]))} when={(node) => node.trashed_ms ?? 0}
            extra={(node) => <Place id={node.parent} />}
            onKey={(event, on) => {
              if (event.key !== "Delete") return false;
              purgeAsk(on);
              return true;
            }} />
        )}
      </div>
    </div>
  );
}
