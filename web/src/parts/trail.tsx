// SPDX-License-Identifier: Apache-2.0
// Who did what, when and from where: of one document, or of all.
import { useEffect, useState } from "preact/hooks";
import { get, type Page } from "../api";
import { dateTime, t } from "../i18n";
import { Empty, Failed, Loading } from "./basic";

export interface AuditEntry {
  sequence: number;
  time_ms: number;
  action: string;
  user: string;
  from: string;
  id: string | null;
  name: string;
  detail: string;
  hash: string;
}

/** Pages of a trail, newest first. */
export function useTrail(path: string) {
  const [entries, setEntries] = useState<AuditEntry[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const mark = path.includes("?") ? "&" : "?";
  useEffect(() => {
    const abort = new AbortController();
    get<Page<AuditEntry>>(`${path}${mark}limit=100`, abort.signal).then(
      (page) => {
        setEntries(page.items);
        setNext(page.next);
        setError(null);
      },
      (problem) => !abort.signal.aborted && setError(problem),
    );
    return () => abort.abort();
  }, [path, turn]);
  const more = next === null ? null : async () => {
    try {
      const page = await get<Page<AuditEntry>>(`${path}${mark}limit=100&cursor=${encodeURIComponent(next)}`);
      setEntries((old) => [...(old ?? []), ...page.items]);
      setNext(page.next);
    } catch (problem) {
      setError(problem);
    }
  };
  return { entries, error, more, again: () => setTurn((n) => n + 1) };
}

export function Activity({ path }: { path: string }) {
  const trail = useTrail(path);
  if (!trail.entries) return trail.error ? <Failed error={trail.error} again={trail.again} /> : <Loading />;
  if (trail.entries.length === 0) return <Empty icon="audit" title={t("audit.none")} />;
  return (
    <>
      <ol class="trail">
        {trail.entries.map((entry) => (
          <li key={entry.sequence}>
            <strong>{entry.action}</strong>
            <span class="muted small">{t("by.when", { name: entry.user, when: dateTime(entry.time_ms) })} · {entry.from}</span>
            {entry.detail && <span class="small">{entry.detail}</span>}
          </li>
        ))}
      </ol>
      {trail.more && <button type="button" class="button" onClick={() => void trail.more?.()}>{t("more")}</button>}
    </>
  );
}
