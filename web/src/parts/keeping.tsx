// SPDX-License-Identifier: Apache-2.0
// Until when a document must be kept, and which legal holds hold it.
import { useState } from "preact/hooks";
import { all, get, put } from "../api";
import { dateTime, t } from "../i18n";
import { session } from "../state";
import { FormError, Icon, useLoaded } from "./basic";
import { toast } from "./overlay";

interface Retention {
  until_ms: number | null;
  set_by: string | null;
  holds: string[];
  kept: boolean;
}
export interface Hold {
  id: string;
  name: string;
  reason: string;
  created_by: string;
  created_ms: number;
  release_asked_by: string | null;
  released: boolean;
  documents: number;
}

export function Keeping({ id }: { id: string }) {
  const who = session.use();
  const admin = who.state === "in" && who.admin;
  const now = useLoaded(() => get<Retention>(`/api/documents/${id}/retention`), [id]);
  const holds = useLoaded(async () => (admin ? all<Hold>("/api/holds") : []), [admin]);
  const [until, setUntil] = useState("");
  const [hold, setHold] = useState("");
  const [open, setOpen] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (what: () => Promise<void>) => {
    try {
      await what();
      setError(null);
      now.again();
    } catch (problem) {
      setError(problem);
    }
  };
  if (!now.value) return null;
  const { until_ms, kept } = now.value;
  const running = (holds.value ?? []).filter((one) => !one.released);
  return (
    <section class="block">
      <div class="row">
        <h2 class="grow">{t("keeping")}</h2>
        <button type="button" class="button link" aria-expanded={open} onClick={() => setOpen(!open)}>{t("edit")}</button>
      </div>
      {kept ? (
        <p class="note warn"><Icon name="lock" /><span>{t("keeping.kept")}</span></p>
      ) : (
        <p class="muted">{t("keeping.none")}</p>
      )}
      {until_ms !== null && <p>{t("keeping.until", { when: dateTime(until_ms), name: now.value.set_by ?? "" })}</p>}
      {now.value.holds.length > 0 && <p>{t("keeping.holds", { names: now.value.holds.join(", ") })}</p>}
      {open && (
        <form class="form" onSubmit={(event) => {
          event.preventDefault();
          void run(async () => {
            await put(`/api/documents/${id}/retention`, { until_ms: new Date(`${until}T23:59:59`).getTime() });
            toast(t("saved"));
          });
        }}>
          <label class="field">
            <span>{t("keeping.date")}</span>
            <input class="input" type="date" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} />
            <small>{t("keeping.longer")}</small>
          </label>
          <button class="button">{t("keeping.set")}</button>
        </form>
      )}
      {open && running.length > 0 && (
        <form class="row" onSubmit={(event) => {
          event.preventDefault();
          void run(async () => {
            await put(`/api/holds/${hold || running[0].id}/documents/${id}`, undefined);
            toast(t("saved"));
          });
        }}>
          <select class="input grow" aria-label={t("nav.holds")} value={hold} onChange={(event) => setHold(event.currentTarget.value)}>
            {running.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
          </select>
          <button class="button">{t("holds.put")}</button>
        </form>
      )}
      <FormError error={error} />
    </section>
  );
}
