// SPDX-License-Identifier: Apache-2.0
// Folders and documents as a list or as tiles. Only what is in sight is drawn, so a folder may have
// any number. One item has the focus (roving tabindex); keys and pointer select as in file managers.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { contentPath, type Node } from "../api";
import { dateShort, dateTime, size, t } from "../i18n";
import { hasThumbnail, iconOf, kindText, shownAs } from "../kinds";
import { go, hrefOf } from "../router";
import { layout } from "../state";
import { Icon, IconButton } from "./basic";
import { openMenu, type MenuEntry } from "./overlay";

export type SortKey = "name" | "modified_ms" | "size" | "type";
export interface Sort {
  key: SortKey;
  down: boolean;
}

export function sorted(nodes: Node[], sort: Sort): Node[] {
  const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const sign = sort.down ? -1 : 1;
  const by = (a: Node, b: Node): number => {
    if (a.kind !== b.kind) return a.kind === "folder" ? -1 : 1;
    let order = 0;
    if (sort.key === "modified_ms") order = a.modified_ms - b.modified_ms;
    else if (sort.key === "size") order = (a.size ?? 0) - (b.size ?? 0);
    else if (sort.key === "type") order = names.compare(t(kindText(a)), t(kindText(b)));
    return sign * (order || names.compare(a.name, b.name));
  };
  return [...nodes].sort(by);
}

export interface ItemsProps {
  nodes: Node[];
  label: string;
  selected: Set<string>;
  onSelect: (selected: Set<string>) => void;
  menu: (nodes: Node[]) => MenuEntry[];
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  onMore?: () => void;
  onKey?: (event: KeyboardEvent, nodes: Node[]) => boolean;
  onDropNodes?: (ids: string[], folder: Node) => void;
  open?: (node: Node) => void;
  /** The place instead of the size, for lists from many folders. */
  extra?: (node: Node) => ComponentChildren;
  when?: (node: Node) => number;
  whenLabel?: string;
}

const ROW = 44;
const TILE = { width: 176, height: 168 };
const DRAG_TYPE = "application/x-coffer-nodes";

/** Which rows are in sight of the scrolling element around `self`. */
function useWindow(self: { current: HTMLElement | null }, row: number, count: number) {
  const [range, setRange] = useState({ first: 0, last: 40 });
  useLayoutEffect(() => {
    const scroller = self.current?.closest<HTMLElement>("[data-scroller]");
    if (!scroller) return;
    const measure = () => {
      const top = (self.current?.getBoundingClientRect().top ?? 0) - scroller.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(-top / row) - 8);
      const last = Math.ceil((scroller.clientHeight - top) / row) + 8;
      setRange((old) => (old.first === first && old.last === last ? old : { first, last }));
    };
    measure();
    scroller.addEventListener("scroll", measure, { passive: true });
    const observer = new ResizeObserver(measure);
    observer.observe(scroller);
    return () => {
      scroller.removeEventListener("scroll", measure);
      observer.disconnect();
    };
  }, [row, count]);
  return range;
}

export function Items(p: ItemsProps) {
  const tiles = layout.use() === "grid";
  const self = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  /* The item with the focus: by what it is, so that it stays the same one when the order changes; where
   * it is gone, the one in its place. */
  const [focus, setFocus] = useState({ id: "", index: 0 });
  const anchor = useRef("");
  const wanted = useRef<number | null>(null);
  const [dropOn, setDropOn] = useState("");
  const columns = tiles ? Math.max(2, Math.floor(width / TILE.width)) : 1;
  const row = tiles ? TILE.height : ROW;
  const rows = Math.ceil(p.nodes.length / columns);
  const range = useWindow(self, row, rows);
  const indexOf = (id: string, otherwise: number) => {
    const index = p.nodes[otherwise]?.id === id ? otherwise : p.nodes.findIndex((node) => node.id === id);
    return index >= 0 ? index : Math.max(0, Math.min(otherwise, p.nodes.length - 1));
  };
  const at = indexOf(focus.id, focus.index);
  const focusSet = (index: number) => setFocus({ id: p.nodes[index]?.id ?? "", index });
  /* Redrawing removes or moves the element that has the focus, and the browser then gives it to nobody. */
  const inside = self.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    const now = document.activeElement;
    const lost = now === document.body || now === null;
    if (wanted.current !== null && !lost && !self.current?.contains(now)) wanted.current = null;
    const to = wanted.current ?? (inside && lost ? at : null);
    const element = to === null ? null : self.current?.querySelector<HTMLElement>(`[data-index="${to}"]`);
    if (!element) return;
    wanted.current = null;
    element.focus();
  });

  useLayoutEffect(() => {
    if (!self.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width));
    observer.observe(self.current);
    return () => observer.disconnect();
  }, [tiles]);
  useEffect(() => {
    if (range.last >= rows - 20) p.onMore?.();
  }, [range.last, rows]);

  const chosen = () => p.nodes.filter((node) => p.selected.has(node.id));
  const target = (node: Node) => (p.selected.has(node.id) ? chosen() : [node]);
  const span = (from: number, to: number) =>
    new Set(p.nodes.slice(Math.min(from, to), Math.max(from, to) + 1).map((node) => node.id));
  const select = (index: number, event: MouseEvent | KeyboardEvent) => {
    const id = p.nodes[index].id;
    if (event.shiftKey) {
      p.onSelect(span(indexOf(anchor.current, at), index));
    } else if (event.ctrlKey || event.metaKey) {
      toggle(index);
    } else {
      anchor.current = id;
      p.onSelect(new Set(p.selected.size === 1 && p.selected.has(id) ? [] : [id]));
    }
  };
  const toggle = (index: number) => {
    const next = new Set(p.selected);
    const id = p.nodes[index].id;
    if (!next.delete(id)) next.add(id);
    anchor.current = id;
    p.onSelect(next);
  };
  const focusOn = (index: number) => {
    const to = Math.max(0, Math.min(p.nodes.length - 1, index));
    wanted.current = to;
    focusSet(to);
    const scroller = self.current?.closest<HTMLElement>("[data-scroller]");
    const box = self.current?.getBoundingClientRect();
    if (scroller && box) {
      const top = box.top - scroller.getBoundingClientRect().top + Math.floor(to / columns) * row;
      if (top < 40) scroller.scrollTop += top - 40;
      else if (top + row > scroller.clientHeight) scroller.scrollTop += top + row - scroller.clientHeight;
    }
    return to;
  };
  const open = p.open ?? ((node: Node) => go(hrefOf(node)));
  const onKeyDown = (event: KeyboardEvent) => {
    const on = event.target as HTMLElement;
    if (!on.dataset.index || p.nodes.length === 0) return;
    const page = Math.max(1, Math.floor((self.current?.closest("[data-scroller]")?.clientHeight ?? 400) / row) - 1);
    const steps: Record<string, number> = {
      ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: p.nodes.length - 1,
      PageDown: at + page * columns, PageUp: at - page * columns,
    };
    if (tiles) Object.assign(steps, { ArrowRight: at + 1, ArrowLeft: at - 1 });
    let taken = true;
    if (event.key in steps && !event.altKey) {
      const to = focusOn(steps[event.key]);
      if (event.shiftKey) p.onSelect(span(indexOf(anchor.current, at), to));
      else if (!event.ctrlKey) anchor.current = p.nodes[to].id;
    } else if (event.key === " ") {
      toggle(at);
    } else if (event.key === "Enter") {
      open(p.nodes[at]);
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      p.onSelect(new Set(p.nodes.map((node) => node.id)));
    } else if (event.key === "Escape" && p.selected.size) {
      p.onSelect(new Set());
    } else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
      openMenu(t("actions"), p.menu(target(p.nodes[at])), on);
    } else {
      taken = p.onKey?.(event, target(p.nodes[at])) ?? false;
    }
    if (taken) event.preventDefault();
  };
  const drag = (node: Node) =>
    p.onDropNodes && {
      draggable: true,
      onDragStart: (event: DragEvent) =>
        event.dataTransfer?.setData(DRAG_TYPE, JSON.stringify(target(node).map((one) => one.id))),
    };
  const drop = (node: Node) =>
    p.onDropNodes &&
    node.kind === "folder" && {
      onDragOver: (event: DragEvent) => {
        if (!event.dataTransfer?.types.includes(DRAG_TYPE)) return;
        event.preventDefault();
        setDropOn(node.id);
      },
      onDragLeave: () => setDropOn(""),
      onDrop: (event: DragEvent) => {
        const data = event.dataTransfer?.getData(DRAG_TYPE);
        setDropOn("");
        if (!data) return;
        event.preventDefault();
        p.onDropNodes?.(JSON.parse(data), node);
      },
    };
  const common = (node: Node, index: number) => ({
    "data-index": index,
    tabIndex: index === at ? 0 : -1,
    "aria-selected": p.selected.has(node.id),
    class: `item ${p.selected.has(node.id) ? "selected" : ""} ${dropOn === node.id ? "drop" : ""}`,
    onFocus: () => focusSet(index),
    onDblClick: () => open(node),
    onContextMenu: (event: MouseEvent) => {
      event.preventDefault();
      focusSet(index);
      openMenu(t("actions"), p.menu(target(node)), event);
    },
    ...drag(node),
    ...drop(node),
  });
  const more = (node: Node) => (
    <IconButton
      icon="more"
      label={t("actions.of", { name: node.name })}
      popup="menu"
      onClick={(event) => {
        event.stopPropagation();
        openMenu(t("actions"), p.menu(target(node)), event.currentTarget as Element);
      }}
    />
  );
  const shown = [];
  for (let index = range.first * columns; index < Math.min(p.nodes.length, range.last * columns); index++)
    shown.push(index);

  if (tiles)
    return (
      <div ref={self} class="tiles" role="listbox" aria-multiselectable="true" aria-label={p.label}
        style={{ height: `${rows * row}px` }} onKeyDown={onKeyDown}>
        {shown.map((index) => {
          const node = p.nodes[index];
          return (
            <div key={node.id} role="option" aria-setsize={p.nodes.length}
              aria-posinset={index + 1} {...common(node, index)}
              style={{
                left: `${((index % columns) * 100) / columns}%`,
                top: `${Math.floor(index / columns) * row}px`,
                width: `${100 / columns}%`,
              }}
              onClick={(event) =>
                event.detail === 1 && (coarse() && !p.selected.size ? open(node) : select(index, event))
              }>
              <span class="tile">
                <Picture node={node} />
                <span class="name">
                  {node.favourite && <Icon name="star-filled" class="mark" />}
                  {node.name}
                </span>
                <span class="muted small">
                  {node.kind === "document" ? size(node.size ?? 0) : t("kind.folder")}
                </span>
              </span>
            </div>
          );
        })}
      </div>
    );

  return (
    <div class="list" role="grid" aria-multiselectable="true" aria-label={p.label}
      aria-rowcount={p.nodes.length + 1} onKeyDown={onKeyDown}>
      <div class="head" role="row" aria-rowindex={1}>
        <span role="columnheader" class="c-check">
          <input type="checkbox" aria-label={t("select.all")}
            checked={p.nodes.length > 0 && p.selected.size === p.nodes.length}
            onChange={(event) =>
              p.onSelect(new Set(event.currentTarget.checked ? p.nodes.map((node) => node.id) : []))
            } />
        </span>
        <Header {...p} name="name" label={t("name")} class="c-name" />
        <Header {...p} name="modified_ms" label={p.when ? (p.whenLabel ?? t("when")) : t("modified")} class="c-date" fixed={!!p.when} />
        {p.extra ? (
          <span role="columnheader" class="c-extra">{t("where")}</span>
        ) : (
          <>
            <Header {...p} name="type" label={t("kind")} class="c-kind" />
            <Header {...p} name="size" label={t("size")} class="c-size" />
          </>
        )}
        <span role="columnheader" class="c-more">
          <span class="hidden">{t("actions")}</span>
        </span>
      </div>
      <div ref={self} class="rows" role="rowgroup" style={{ height: `${rows * row}px` }}>
        {shown.map((index) => {
          const node = p.nodes[index];
          const when = p.when?.(node) ?? node.modified_ms;
          return (
            <div key={node.id} role="row" aria-rowindex={index + 2} {...common(node, index)}
              style={{ top: `${index * row}px` }}
              onClick={(event) => {
                if ((event.target as Element).closest("a, button, input")) return;
                if (coarse() && !p.selected.size) open(node);
                else select(index, event);
              }}>
              <span role="gridcell" class="c-check">
                <input type="checkbox" tabIndex={-1} aria-label={t("select.one", { name: node.name })}
                  checked={p.selected.has(node.id)} onChange={() => toggle(index)} />
              </span>
              <span role="gridcell" class="c-name">
                <Icon name={iconOf(node)} class={node.kind} />
                <a href={hrefOf(node)} tabIndex={-1} draggable={false}
                  onClick={(event) => {
                    if (!p.open) return;
                    event.preventDefault();
                    p.open(node);
                  }}>
                  {node.name}
                </a>
                {node.favourite && (
                  <>
                    <Icon name="star-filled" class="mark" />
                    <span class="hidden">{t("favourite")}</span>
                  </>
                )}
                {node.tags?.map((tag) => <span class="badge">{tag}</span>)}
              </span>
              <span role="gridcell" class="c-date" title={dateTime(when)}>{dateShort(when)}</span>
              {p.extra ? (
                <span role="gridcell" class="c-extra">{p.extra(node)}</span>
              ) : (
                <>
                  <span role="gridcell" class="c-kind">{t(kindText(node))}</span>
                  <span role="gridcell" class="c-size">
                    {node.kind === "document" ? size(node.size ?? 0) : ""}
                  </span>
                </>
              )}
              <span role="gridcell" class="c-more">{more(node)}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Fingers open with one tap and select with the box. */
const coarse = () => matchMedia("(pointer: coarse)").matches;

function Header(p: ItemsProps & { name: SortKey; label: string; class: string; fixed?: boolean }) {
  const on = p.sort?.key === p.name;
  if (!p.sort || !p.onSort || p.fixed)
    return <span role="columnheader" class={p.class}>{p.label}</span>;
  return (
    <span role="columnheader" class={p.class}
      aria-sort={on ? (p.sort.down ? "descending" : "ascending") : "none"}>
      <button type="button" onClick={() => p.onSort?.({ key: p.name, down: on ? !p.sort?.down : false })}>
        {p.label}
        {on && <Icon name={p.sort.down ? "arrow-down" : "arrow-up"} />}
      </button>
    </span>
  );
}

function Picture({ node }: { node: Node }) {
  /* The thumbnail; where there is none (yet) a small image itself; else what kind it is. */
  const ways: string[] = [];
  if (node.kind === "document" && hasThumbnail(node.type)) ways.push(`/api/documents/${node.id}/thumbnail`);
  if (node.kind === "document" && shownAs(node.type) === "image" && (node.size ?? 0) < 4e6) ways.push(contentPath(node.id));
  const [failed, setFailed] = useState(0);
  useEffect(() => setFailed(0), [node.id, node.etag]);
  const src = ways[failed];
  return (
    <span class={`picture ${node.kind}`}>
      {src ? (
        <img key={`${src} ${node.etag}`} src={src} alt="" loading="lazy" decoding="async" draggable={false} onError={() => setFailed(failed + 1)} />
      ) : <Icon name={iconOf(node)} />}
    </span>
  );
}
