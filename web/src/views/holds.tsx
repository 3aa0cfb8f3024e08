// SPDX-License-Identifier: Apache-2.0
// Legal holds: begun by one administrator, ended by two.
import { useState } from "preact/hooks";
import { all, post, remove } from "../api";
import { dateTime, t } from "../i18n";
import { AdminPage } from "../parts/admin";
import { Empty, FormError } from "../parts/basic";
import { askSure, Dialog } from "../parts/overlay";
import type { Hold } from "../parts/keeping";
import { changed } from "../state";

export function Holds() {
  return (
    <AdminPage title="nav.holds" help="holds.help" add="holds.add" load={() => all<Hold>("/api/holds")}
      dialog={(close) => <HoldDialog close={close} />}>
      {(list, me) => list.length === 0 ? <Empty icon="lock" title={t("holds.none")} /> : (
        <ul class="form">
          {list.map((hold) => <HoldCard key={hold.id} hold={hold} me={me} />)}
        </ul>
      )}
    </AdminPage>
  );
}

function HoldCard({ hold, me }: { hold: Hold; me: string }) {
  const path = `/api/holds/${hold.id}/release`;
  const release = () =>
    askSure({
      title: t("holds.release.title", { name: hold.name }),
      text: t(hold.release_asked_by ? "holds.release.second" : "holds.release.first"),
      action: t("holds.release"),
      done: async () => {
        await post(path);
        changed();
      },
    });
  const back = async () => {
    await remove(path);
    changed();
  };
  return (
    <li class="card">
      <div class="row wrap">
        <h2 class="grow">{hold.name}</h2>
        <span class={`badge ${hold.released ? "" : "accent"}`}>{t(hold.released ? "holds.released" : "holds.on")}</span>
      </div>
      <p>{hold.reason}</p>
      <p class="muted">
        {t("holds.documents", { count: hold.documents })} · {t("by.when", { name: hold.created_by, when: dateTime(hold.created_ms) })}
      </p>
      {!hold.released && hold.release_asked_by && <p class="note warn">{t("holds.asked", { name: hold.release_asked_by })}</p>}
      {!hold.released && (
        <div class="row">
          {hold.release_asked_by === me
            ? <button type="button" class="button" onClick={() => void back()}>{t("holds.back")}</button>
            : <button type="button" class="button danger" onClick={release}>{t("holds.release")}</button>}
        </div>
      )}
    </li>
  );
}

function HoldDialog({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await post("/api/holds", { name: name.trim(), reason: reason.trim() });
      changed();
      close();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("holds.add")} onClose={close}>
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>{t("name")}</span>
          <input class="input" data-first required maxLength={128} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("holds.reason")}</span>
          <textarea class="input" required maxLength={1000} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary">{t("create")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
