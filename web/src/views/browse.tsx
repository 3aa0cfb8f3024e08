// SPDX-License-Identifier: Apache-2.0
// A folder: where it is, what is in it, and everything that can be done there.
import { useEffect, useRef, useState } from "preact/hooks";
import { copyAsk, favourite, folderAsk, menuOf, move, moveAsk, renameAsk, trash } from "../actions";
import { get, type Node, type Page } from "../api";
import { t } from "../i18n";
import { Empty, Failed, Icon, IconButton, Loading } from "../parts/basic";
import { Crumbs } from "../parts/crumbs";
import { Items, sorted, type Sort } from "../parts/items";
import { openMenu, toast } from "../parts/overlay";
import { Toolbar } from "../parts/toolbar";
import { folderHref, go } from "../router";
import { changes, remembered } from "../state";
import { dropped, pickFiles, pickFolder } from "../uploads";

const sort = remembered<Sort>("sort", { key: "name", down: false }, (v): v is Sort => {
  const some = v as Sort | null;
  return !!some && ["name", "modified_ms", "size", "type"].includes(some.key) && typeof some.down === "boolean";
});

const PAGE = 500;

/** Its code is fetched when it is first asked for. */
async function typedAsk(folder: string) {
  try {
    (await import("../parts/newtyped")).newTypedAsk(folder);
  } catch {
    toast(t("problem.offline"));
  }
}

/** A folder's children, page by page; read anew when something changed. */
function useChildren(id: string) {
  const [read, setRead] = useState<{ id: string; nodes: Node[] } | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const change = changes.use();
  const seen = useRef("");
  const busy = useRef(false);
  useEffect(() => {
    const abort = new AbortController();
    const path = `/api/folders/${id}/children?marks=1&limit=${PAGE}`;
    seen.current = id;
    busy.current = true;
    get<Page<Node>>(path, abort.signal).then(
      (page) => {
        busy.current = false;
        setRead({ id, nodes: page.items });
        setNext(page.next);
        setError(null);
      },
      (problem) => {
        if (abort.signal.aborted) return;
        busy.current = false;
        setError(problem);
      },
    );
    return () => abort.abort();
  }, [id, change, turn]);
  const more = async () => {
    if (busy.current || !next) return;
    busy.current = true;
    try {
      const page = await get<Page<Node>>(
        `/api/folders/${id}/children?marks=1&limit=${PAGE}&cursor=${encodeURIComponent(next)}`,
      );
      if (seen.current !== id) return;
      setRead((old) => ({ id, nodes: [...(old?.nodes ?? []), ...page.items] }));
      setNext(page.next);
    } catch (problem) {
      setError(problem);
    } finally {
      busy.current = false;
    }
  };
  /* What another folder holds is not shown, nor acted on, under this one's name. */
  const nodes = read?.id === id ? read.nodes : null;
  return { nodes, error, more, all: next === null, again: () => setTurn((n) => n + 1) };
}

export function Browse({ id }: { id: string }) {
  const children = useChildren(id);
  const order = sort.use();
  const [selected, setSelected] = useState<Set<string>>(new Set());
  const [over, setOver] = useState(0);
  const [folder, setFolder] = useState<Node | null>(null);
  useEffect(() => setSelected(new Set()), [id]);
  /* Sorting by anything but the name needs all of them. */
  useEffect(() => {
    if (order.key !== "name" || order.down) void children.more();
  }, [children.nodes, order]);

  const nodes = children.nodes ? sorted(children.nodes, order) : null;
  const chosen = nodes?.filter((node) => selected.has(node.id)) ?? [];
  const onKey = (event: KeyboardEvent, on: Node[]): boolean => {
    if (event.ctrlKey || event.metaKey) return false;
    if (event.key === "F2" && on.length === 1) renameAsk(on[0]);
    else if (event.key === "Delete") void trash(on).then(() => setSelected(new Set()));
    else if (event.key === "m") moveAsk(on);
    else if (event.key === "s") void favourite(on, !on.every((node) => node.favourite));
    else if (event.key === "c" && on.every((node) => node.kind === "document")) copyAsk(on);
    else if (event.key === "Backspace" && folder?.parent) go(folderHref(folder.parent));
    else return false;
    return true;
  };
  const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  return (
    <div
      class={`view ${over > 0 ? "dropping" : ""}`}
      onDragEnter={(event) => files(event) && setOver((n) => n + 1)}
      onDragLeave={(event) => files(event) && setOver((n) => Math.max(0, n - 1))}
      onDragOver={(event) => files(event) && event.preventDefault()}
      onDrop={(event) => {
        setOver(0);
        if (!files(event)) return;
        event.preventDefault();
        void dropped(event, id);
      }}
    >
      <Crumbs id={id} onFolder={setFolder} />
      <Toolbar
        nodes={chosen}
        clear={() => setSelected(new Set())}
        menu={menuOf}
        count={children.nodes ? { shown: children.nodes.length, all: children.all } : undefined}
      >
        <button type="button" class="button primary" onClick={() => pickFiles(id)}>
          <Icon name="upload" />
          {t("upload")}
        </button>
        <button type="button" class="button" onClick={() => folderAsk(id)}>
          <Icon name="plus" />
          {t("folder.new")}
        </button>
        <button type="button" class="button wide-only" onClick={() => pickFolder(id)}>
          <Icon name="folder" />
          {t("upload.folder")}
        </button>
        <IconButton icon="more" label={t("upload.more")} popup="menu" onClick={(event) => openMenu(t("upload.more"), [
          { icon: "folder", label: t("upload.folder"), run: () => pickFolder(id) },
          { icon: "tag", label: t("upload.typed"), run: () => void typedAsk(id) },
        ], event.currentTarget as Element)} />
      </Toolbar>
      <div class="scroll" data-scroller>
        {children.error && !children.nodes ? (
          <Failed error={children.error} again={children.again} />
        ) : !nodes ? (
          <Loading />
        ) : nodes.length === 0 ? (
          <Empty icon="upload" title={t("browse.empty")}>
            <p>{t("browse.empty.help")}</p>
            <div class="row">
              <button type="button" class="button" onClick={() => pickFiles(id)}>
                {t("upload.files")}
              </button>
              <button type="button" class="button" onClick={() => folderAsk(id)}>
                {t("folder.new")}
              </button>
            </div>
          </Empty>
        ) : (
          <Items
            nodes={nodes}
            label={t("browse.label")}
            selected={selected}
            onSelect={setSelected}
            menu={menuOf}
            sort={order}
            onSort={sort.set}
            onMore={() => void children.more()}
            onKey={onKey}
            onDropNodes={(ids, to) =>
              void move(nodes.filter((node) => ids.includes(node.id)), to.id)
            }
          />
        )}
      </div>
      {over > 0 && (
        <div class="drop-here" aria-hidden="true">
          <Icon name="upload" />
          <strong>{t("drop.here")}</strong>
        </div>
      )}
    </div>
  );
}
