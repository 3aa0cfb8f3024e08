// SPDX-License-Identifier: Apache-2.0
// The whole trail, for administrators: filtered, checked, taken away as CSV.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { dateTime, number, t } from "../i18n";
import { Empty, Failed, Icon, Loading, problemText } from "../parts/basic";
import { useTrail } from "../parts/trail";
import { go } from "../router";
import { session } from "../state";

interface Check {
  ok: boolean;
  entries: number;
  hash: string;
  broken_at?: number;
}

export function Audit({ query }: { query: URLSearchParams }) {
  const who = session.use();
  const user = query.get("user") ?? "";
  const trail = useTrail(user ? `/api/audit?user=${encodeURIComponent(user)}` : "/api/audit");
  const [checked, setChecked] = useState<Check | string | null>(null);
  useEffect(() => {
    document.title = `${t("nav.audit")} · Coffer`;
  }, []);
  if (who.state !== "in" || !who.admin) return <Empty main icon="lock" title={t("problem.admins-only")} />;
  if (!trail.entries) return trail.error ? <Failed main error={trail.error} again={trail.again} /> : <Loading />;
  const check = () =>
    get<Check>("/api/audit/check").then(setChecked, (problem) => setChecked(problemText(problem)));
  const filter = (event: Event) => {
    event.preventDefault();
    const name = new FormData(event.currentTarget as HTMLFormElement).get("user")?.toString().trim();
    go(name ? `/app/audit?user=${encodeURIComponent(name)}` : "/app/audit", true);
  };
  return (
    <div class="view scroll page-view">
      <h1>{t("nav.audit")}</h1>
      <p class="muted">{t("audit.help")}</p>
      <div class="row wrap">
        <form class="row" onSubmit={filter}>
          <input key={user} class="input" name="user" defaultValue={user} aria-label={t("user")} placeholder={t("user")} />
          <button class="button">{t("audit.filter")}</button>
        </form>
        <span class="grow" />
        <button type="button" class="button" onClick={() => void check()}>
          <Icon name="shield" />
          {t("audit.check")}
        </button>
        <a class="button" href="/api/audit.csv" download="audit.csv">
          <Icon name="download" />
          CSV
        </a>
      </div>
      <div role="status">
        {typeof checked === "string" ? <p class="note bad">{checked}</p>
          : checked && (checked.ok
            ? <p class="note good">{t("audit.ok", { entries: checked.entries })} <code>{checked.hash.slice(0, 16)}</code></p>
            : <p class="note bad">{t("audit.broken", { at: number(checked.broken_at ?? 0) })}</p>)}
      </div>
      {trail.entries.length === 0 ? <Empty icon="audit" title={t("audit.none")} /> : (
        <section class="card table-scroll" tabIndex={0} role="region" aria-label={t("nav.audit")}>
          <table class="table wide">
            <thead>
              <tr>
                {(["audit.when", "user", "audit.action", "audit.what", "audit.from"] as const).map((key) =>
                  <th key={key} scope="col">{t(key)}</th>)}
              </tr>
            </thead>
            <tbody>
              {trail.entries.map((entry) => (
                <tr key={entry.sequence}>
                  <td class="nowrap muted">{dateTime(entry.time_ms)}</td>
                  <td>{entry.user}</td>
                  <td class="nowrap"><code>{entry.action}</code></td>
                  <td>{entry.name} {entry.detail && <span class="muted">{entry.detail}</span>}</td>
                  <td class="muted nowrap">{entry.from}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {trail.more && <div><button type="button" class="button" onClick={() => void trail.more?.()}>{t("more")}</button></div>}
    </div>
  );
}
