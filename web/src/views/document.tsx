// SPDX-License-Identifier: Apache-2.0
// A document: its preview beside what is known about it.
import { useEffect, useState } from "preact/hooks";
import { favourite, menuOf, renameAsk, tagsAsk, versionRestore } from "../actions";
import { all, contentPath, get, patch, put, type Node, type Version } from "../api";
import { dateTime, size, t } from "../i18n";
import { iconOf, isComparable, kindText } from "../kinds";
import { Failed, FormError, Icon, IconButton, Loading, useLoaded } from "../parts/basic";
import { Access } from "../parts/access";
import { checkedOut, checkOut, CheckOutBar } from "../parts/checkout";
import { Comments } from "../parts/comments";
import { Compare } from "../parts/compare";
import { Crumbs } from "../parts/crumbs";
import { Keeping } from "../parts/keeping";
import { openMenu, show, type MenuEntry } from "../parts/overlay";
import { Typed } from "../parts/typed";
import { Preview } from "../parts/preview";
import { Sharing } from "../parts/sharing";
import { Tabs } from "../parts/tabs";
import { Activity } from "../parts/trail";
import { folderHref, go } from "../router";
import { changed, changes } from "../state";

export function Document({ id }: { id: string }) {
  const change = changes.use();
  const node = useLoaded((signal) => get<Node>(`/api/documents/${id}?marks=1`, signal), [id, change]);
  const out = useLoaded(() => checkedOut(id), [id, change]);
  const [tab, setTab] = useState("details");
  const [version, setVersion] = useState<number | undefined>(undefined);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, dialog, [role=menu]") || event.ctrlKey || event.metaKey) return;
      if (event.key === "F2" && node.value) renameAsk(node.value);
      else if (event.key === "Backspace" && node.value?.parent) go(folderHref(node.value.parent));
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [node.value]);
  useEffect(() => {
    put(`/api/recent/${id}`, undefined).catch(() => {});
  }, [id]);
  if (!node.value) return node.error ? <Failed main error={node.error} again={node.again} /> : <Loading />;
  if (node.error) return <Failed main error={node.error} again={node.again} />;
  const it = node.value;
  return (
    <div class="view document">
      <Crumbs id={it.parent ?? "root"} last={it.name} />
      <div class="toolbar" role="toolbar" aria-label={t("actions")}>
        <a class="button primary" href={contentPath(id, version)} download>
          <Icon name="download" />
          {t("download")}
        </a>
        <button type="button" class="button" onClick={() => renameAsk(it)}>
          <Icon name="pencil" />
          {t("rename")}
        </button>
        <IconButton icon={it.favourite ? "star-filled" : "star"} label={t("favourite")} pressed={it.favourite}
          onClick={() => void favourite([it], !it.favourite)} />
        <IconButton icon="more" label={t("actions")} popup="menu"
          onClick={(event) => openMenu(t("actions"), documentMenu(it, !!out.value), event.currentTarget as Element)} />
        <span class="grow" />
        {version !== undefined && version !== it.version && (
          <span class="badge accent">
            {t("versions.shown", { version })}
            <button type="button" class="button link" onClick={() => setVersion(undefined)}>{t("versions.newest")}</button>
          </span>
        )}
      </div>
      {out.value && <CheckOutBar node={it} out={out.value} />}
      <div class="split">
        <section class="preview" aria-label={t("preview")}>
          <Preview key={`${it.etag}-${version}`} node={it} version={version} />
        </section>
        <aside class="panel" aria-label={t("details")}>
          <Tabs
            label={t("details")}
            now={tab}
            choose={setTab}
            tabs={[
              { id: "details", text: t("details"), show: () => <Details node={it} /> },
              { id: "versions", text: t("versions"), show: () => <Versions node={it} shown={version} choose={setVersion} /> },
              { id: "comments", text: t("comments"), show: () => <Comments id={it.id} /> },
              { id: "sharing", text: t("sharing"), show: () => (
                <>
                  <h2>{t("access")}</h2>
                  <Access id={it.id} />
                  <h2>{t("nav.shared")}</h2>
                  <Sharing id={it.id} />
                </>
              ) },
              { id: "activity", text: t("activity"), show: () => <Activity path={`/api/documents/${it.id}/audit`} /> },
            ]}
          />
        </aside>
      </div>
    </div>
  );
}

function documentMenu(node: Node, out: boolean): MenuEntry[] {
  const entries = menuOf([node]);
  if (!out) entries.splice(3, 0, { label: t("checkout"), icon: "lock", run: () => void checkOut(node) });
  return entries;
}

function Details({ node }: { node: Node }) {
  const facts: [string, string][] = [
    [t("kind"), t(kindText(node))],
    [t("media-type"), node.type ?? ""],
    [t("size"), size(node.size ?? 0)],
    [t("modified"), t("by.when", { name: node.modified_by, when: dateTime(node.modified_ms) })],
    [t("created"), t("by.when", { name: node.created_by, when: dateTime(node.created_ms) })],
    [t("version"), String(node.version ?? 1)],
  ];
  return (
    <>
      <div class="row heading">
        <Icon name={iconOf(node)} class={node.kind} />
        <strong>{node.name}</strong>
      </div>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <section class="block">
        <div class="row">
          <h2 class="grow">{t("tags")}</h2>
          <button type="button" class="button link" onClick={() => tagsAsk(node)}>{t(node.tags?.length ? "edit" : "add")}</button>
        </div>
        {node.tags?.length ? (
          <ul class="row wrap">
            {node.tags.map((tag) => <li key={tag}><a class="badge accent" href={`/app/tag/${encodeURIComponent(tag)}`}>{tag}</a></li>)}
          </ul>
        ) : <p class="muted">{t("tags.none")}</p>}
      </section>
      <Typed node={node} />
      <Properties node={node} />
      <Keeping id={node.id} />
    </>
  );
}

/** Names and texts of the reader's own, changed as a whole. */
function Properties({ node }: { node: Node }) {
  const [rows, setRows] = useState<[string, string][] | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => setRows(null), [node.modified_ms]);
  const now = Object.entries(node.properties);
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      const properties = Object.fromEntries((rows ?? []).filter(([name]) => name.trim()));
      await patch(`/api/documents/${node.id}`, { properties });
      setRows(null);
      setError(null);
      changed();
    } catch (problem) {
      setError(problem);
    }
  };
  const set = (index: number, which: 0 | 1, value: string) =>
    setRows((rows ?? []).map((row, i) => (i === index ? (which ? [row[0], value] : [value, row[1]]) : row)));
  return (
    <section class="block">
      <div class="row">
        <h2 class="grow">{t("properties")}</h2>
        {!rows && (
          <button type="button" class="button link" onClick={() => setRows([...now, ["", ""]])}>
            {t(now.length ? "edit" : "add")}
          </button>
        )}
      </div>
      {rows ? (
        <form class="form" onSubmit={save}>
          {rows.map(([name, value], index) => (
            <div class="row" key={index}>
              <input class="input" aria-label={t("properties.name")} placeholder={t("properties.name")} maxLength={128}
                value={name} onInput={(event) => set(index, 0, event.currentTarget.value)} />
              <input class="input" aria-label={t("properties.value")} placeholder={t("properties.value")} maxLength={4096}
                value={value} onInput={(event) => set(index, 1, event.currentTarget.value)} />
              <IconButton icon="close" label={t("remove")} onClick={() => setRows(rows.filter((_, i) => i !== index))} />
            </div>
          ))}
          <FormError error={error} />
          <div class="row end">
            <button type="button" class="button quiet" onClick={() => setRows([...rows, ["", ""]])}>
              <Icon name="plus" />
              {t("add")}
            </button>
            <span class="grow" />
            <button type="button" class="button" onClick={() => setRows(null)}>{t("cancel")}</button>
            <button class="button primary">{t("save")}</button>
          </div>
        </form>
      ) : now.length ? (
        <dl class="facts">
          {now.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      ) : (
        <p class="muted">{t("properties.none")}</p>
      )}
    </section>
  );
}

function Versions(p: { node: Node; shown?: number; choose: (version?: number) => void }) {
  const list = useLoaded(() => all<Version>(`/api/documents/${p.node.id}/versions`), [p.node.id, p.node.version]);
  const [error, setError] = useState<unknown>(null);
  if (!list.value) return list.error ? <Failed error={list.error} again={list.again} /> : <Loading />;
  const newest = p.node.version ?? 1;
  const restore = async (version: number) => {
    try {
      await versionRestore(p.node, version);
      p.choose(undefined);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <>
      <FormError error={error} />
      <ol class="versions">
        {list.value.map((one) => (
          <li key={one.version} class={(p.shown ?? newest) === one.version ? "shown" : ""}>
            <div class="row wrap">
              <strong>{t("versions.number", { version: one.version })}</strong>
              {one.version === newest && <span class="badge accent">{t("versions.current")}</span>}
              <span class="grow" />
              <span class="muted small">{size(one.size)}</span>
            </div>
            <p class="muted small">{t("by.when", { name: one.created_by, when: dateTime(one.created_ms) })}</p>
            <div class="row wrap">
              <button type="button" class="button link" aria-pressed={(p.shown ?? newest) === one.version}
                onClick={() => p.choose(one.version === newest ? undefined : one.version)}>{t("show")}</button>
              <a class="button link" href={contentPath(p.node.id, one.version)} download>{t("download")}</a>
              {one.version !== newest && (
                <button type="button" class="button link" onClick={() => void restore(one.version)}>{t("versions.restore")}</button>
              )}
              {one.version !== newest && isComparable(one.type) && isComparable(p.node.type) && (
                <button type="button" class="button link"
                  onClick={() => show((close) => <Compare id={p.node.id} from={one.version} to={newest} close={close} />)}>
                  {t("versions.compare")}
                </button>
              )}
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}
