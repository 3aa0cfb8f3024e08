// SPDX-License-Identifier: Apache-2.0
// What was found, and facets that narrow it: kind, time, owner.
import { useEffect, useState } from "preact/hooks";
import { menuOf } from "../actions";
import { get, type Node, type Page } from "../api";
import { number, t, type TextKey } from "../i18n";
import { kindText } from "../kinds";
import { Empty, Failed, Loading } from "../parts/basic";
import { Items } from "../parts/items";
import { Place } from "../parts/place";
import { Toolbar } from "../parts/toolbar";
import { go } from "../router";
import { changes } from "../state";

const DAY = 86_400_000;
const TIMES: { id: string; text: TextKey; days: number }[] = [
  { id: "day", text: "time.day", days: 1 },
  { id: "week", text: "time.week", days: 7 },
  { id: "month", text: "time.month", days: 31 },
  { id: "year", text: "time.year", days: 366 },
];
const MAX = 2000;

export function Search({ query }: { query: URLSearchParams }) {
  const q = query.get("q") ?? "";
  const change = changes.use();
  const [nodes, setNodes] = useState<Node[] | null>(null);
  const [more, setMore] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [selected, setSelected] = useState<Set<string>>(new Set());
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    document.title = `${t("search.title", { q })} · Coffer`;
    const abort = new AbortController();
    setSelected(new Set());
    (async () => {
      const found: Node[] = [];
      let next: string | null = null;
      do {
        const page: Page<Node> = await get(
          `/api/search?q=${encodeURIComponent(q)}&marks=1&limit=500${next ? `&cursor=${next}` : ""}`, abort.signal,
        );
        found.push(...page.items);
        next = page.next;
        setNodes([...found]);
        setMore(next !== null);
        setError(null);
      } while (next && found.length < MAX);
    })().catch((problem) => !abort.signal.aborted && setError(problem));
    return () => abort.abort();
  }, [q, change, turn]);

  const kind = query.get("kind") ?? "";
  const time = query.get("time") ?? "";
  const who = query.get("who") ?? "";
  const now = Date.now();
  const passes = (node: Node, but: string) =>
    (but === "kind" || !kind || kindText(node) === kind) &&
    (but === "time" || !time || now - node.modified_ms < DAY * (TIMES.find((x) => x.id === time)?.days ?? 1e6)) &&
    (but === "who" || !who || node.created_by === who);
  const shown = nodes?.filter((node) => passes(node, "")) ?? [];
  const tally = (facet: string, of: (node: Node) => string) => {
    const counts = new Map<string, number>();
    for (const node of nodes ?? [])
      if (passes(node, facet)) counts.set(of(node), (counts.get(of(node)) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  };
  const choose = (facet: string, value: string) => {
    const next = new URLSearchParams(query);
    if (value) next.set(facet, value);
    else next.delete(facet);
    go(`/app/search?${next}`, true);
  };
  if (error && !nodes) return <Failed main error={error} again={() => setTurn((n) => n + 1)} />;
  if (!nodes) return <Loading />;
  const times: [string, number][] = TIMES.map((x) => [
    x.id, nodes.filter((node) => passes(node, "time") && now - node.modified_ms < DAY * x.days).length,
  ]);
  return (
    <div class="view">
      <div class="title">
        <h1>{t("search.title", { q })}</h1>
        <p class="muted" role="status">
          {t(more ? "search.count.more" : "search.count", { count: shown.length })}
        </p>
      </div>
      <div class="facets" role="group" aria-label={t("facets")}>
        <Facet label={t("kind")} value={kind} choose={(v) => choose("kind", v)}
          options={tally("kind", kindText).map(([key, n]) => [key, t(key as TextKey), n])} />
        <Facet label={t("modified")} value={time} choose={(v) => choose("time", v)}
          options={times.map(([id, n]) => [id, t(TIMES.find((x) => x.id === id)?.text ?? "time.day"), n])} />
        <Facet label={t("owner")} value={who} choose={(v) => choose("who", v)}
          options={tally("who", (node) => node.created_by).map(([name, n]) => [name, name, n])} />
        {(kind || time || who) && (
          <button type="button" class="button link" onClick={() => go(`/app/search?q=${encodeURIComponent(q)}`, true)}>
            {t("facets.clear")}
          </button>
        )}
      </div>
      <Toolbar nodes={shown.filter((node) => selected.has(node.id))} clear={() => setSelected(new Set())} menu={menuOf} />
      <div class="scroll" data-scroller>
        {shown.length === 0 ? (
          <Empty icon="search" title={t("search.none")}>
            <p>{t(nodes.length ? "search.none.facets" : "search.none.help")}</p>
          </Empty>
        ) : (
          <Items nodes={shown} label={t("search.results")} selected={selected} onSelect={setSelected} menu={menuOf}
            extra={(node) => <Place id={node.parent} />} />
        )}
      </div>
    </div>
  );
}

function Facet(p: {
  label: string;
  value: string;
  options: [string, string, number][];
  choose: (value: string) => void;
}) {
  return (
    <label class={`facet ${p.value ? "on" : ""}`}>
      <span>{p.label}</span>
      <select value={p.value} onChange={(event) => p.choose(event.currentTarget.value)}>
        <option value="">{t("facets.any")}</option>
        {p.options.map(([value, text, count]) => (
          <option key={value} value={value}>{`${text} (${number(count)})`}</option>
        ))}
      </select>
    </label>
  );
}
