// SPDX-License-Identifier: Apache-2.0
// How much a user has stored, and may store.
import { useState } from "preact/hooks";
import { patch, type Quota, type User } from "../api";
import { number, size, t } from "../i18n";
import { changed } from "../state";
import { Field, FormError } from "./basic";
import { Dialog } from "./overlay";

const UNITS = { MB: 1e6, GB: 1e9, TB: 1e12 };
type Unit = keyof typeof UNITS;

export function usageText(quota: Quota): string {
  const { bytes, documents, bytes_used: used, documents_used: count } = quota;
  const first = bytes === null ? size(used) : t("quota.of", { used: size(used), most: size(bytes) });
  return documents === null ? first
    : `${first}, ${t("quota.documents.of", { used: count, most: number(documents) })}`;
}

export function QuotaBar({ quota }: { quota: Quota }) {
  return quota.bytes === null ? null : (
    <meter class="quota" aria-label={t("quota.used")} min={0} max={Math.max(1, quota.bytes)} high={quota.bytes * 0.9}
      value={Math.min(quota.bytes_used, quota.bytes)} />
  );
}

function unitOf(bytes: number | null): Unit {
  return bytes !== null && bytes >= 1e12 ? "TB" : bytes !== null && bytes < 1e9 ? "MB" : "GB";
}

export function QuotaDialog({ user, close }: { user: User; close: () => void }) {
  const { bytes, documents } = user.quota;
  const [unit, setUnit] = useState<Unit>(unitOf(bytes));
  const [most, setMost] = useState(bytes === null ? "" : String(bytes / UNITS[unitOf(bytes)]));
  const [count, setCount] = useState(documents === null ? "" : String(documents));
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await patch(`/api/users/${encodeURIComponent(user.name)}`, {
        quota: {
          bytes: most === "" ? null : Math.round(Number(most) * UNITS[unit]),
          documents: count === "" ? null : Number(count),
        },
      });
      changed();
      close();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("quota.title", { name: user.name })} onClose={close}>
      <form class="form" onSubmit={submit}>
        <p class="muted">{t("quota.now", { used: usageText(user.quota) })}</p>
        <Field label={t("quota.bytes")} help={t("quota.help")}>
          {(id, help) => (
            <div class="row">
              <input id={id} aria-describedby={help} class="input grow" data-first type="number" min={0} max={9000} step="any" value={most}
                onInput={(event) => setMost(event.currentTarget.value)} />
              <select class="input fit" aria-label={t("quota.unit")} value={unit} onChange={(event) => setUnit(event.currentTarget.value as Unit)}>
                {Object.keys(UNITS).map((one) => <option key={one}>{one}</option>)}
              </select>
            </div>
          )}
        </Field>
        <label class="field">
          <span>{t("quota.documents")}</span>
          <input class="input" type="number" min={0} step={1} value={count} onInput={(event) => setCount(event.currentTarget.value)} />
        </label>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary">{t("save")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
