// SPDX-License-Identifier: Apache-2.0
// The line above a list: what can be done here or, if something is selected, with that.
import type { ComponentChildren } from "preact";
import { downloadHref, moveAsk, trash } from "../actions";
import type { Node } from "../api";
import { t } from "../i18n";
import { layout } from "../state";
import { Icon, IconButton } from "./basic";
import { openMenu, type MenuEntry } from "./overlay";

export function LayoutSwitch() {
  const now = layout.use();
  return (
    <div class="row tight" role="group" aria-label={t("layout")}>
      <IconButton icon="list" label={t("layout.list")} pressed={now === "list"} onClick={() => layout.set("list")} />
      <IconButton icon="grid" label={t("layout.grid")} pressed={now === "grid"} onClick={() => layout.set("grid")} />
    </div>
  );
}

export function Toolbar(p: {
  nodes: Node[];
  clear: () => void;
  menu: (nodes: Node[]) => MenuEntry[];
  count?: { shown: number; all: boolean };
  simple?: ComponentChildren;
  children?: ComponentChildren;
}) {
  const some = p.nodes.length > 0;
  return (
    <div class={`toolbar ${some ? "on" : ""}`} role="toolbar" aria-label={t("actions")}>
      {some ? (
        <>
          <IconButton icon="close" label={t("select.none")} onClick={p.clear} />
          <strong>{t("selected", { count: p.nodes.length })}</strong>
          {p.simple ?? (
            <>
              <a class="button quiet wide-only" href={downloadHref(p.nodes)} download>
                <Icon name="download" />
                {t("download")}
              </a>
              <button type="button" class="button quiet wide-only" onClick={() => moveAsk(p.nodes)}>
                <Icon name="move" />
                {t("move")}
              </button>
              <button type="button" class="button quiet" onClick={() => void trash(p.nodes).then(p.clear)}>
                <Icon name="trash" />
                {t("delete")}
              </button>
              <IconButton
                icon="more"
                label={t("actions")}
                popup="menu"
                onClick={(event) => openMenu(t("actions"), p.menu(p.nodes), event.currentTarget as Element)}
              />
            </>
          )}
        </>
      ) : (
        p.children
      )}
      <span class="grow" />
      {!some && p.count && (
        <span class="muted wide-only" aria-live="polite">
          {t(p.count.all ? "count" : "count.more", { count: p.count.shown })}
        </span>
      )}
      <LayoutSwitch />
    </div>
  );
}
