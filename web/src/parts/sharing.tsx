// SPDX-License-Identifier: Apache-2.0
// Links that give one document to whoever has them.
import { useState } from "preact/hooks";
import { all, post, remove } from "../api";
import { dateTime, t } from "../i18n";
import { Failed, FormError, Icon, Loading, useLoaded } from "./basic";
import { toast } from "./overlay";

export interface Share {
  id: string;
  document: string;
  user: string;
  created_ms: number;
  expires_ms: number;
  password: boolean;
  downloads: number;
  downloads_max: number;
  path?: string;
}

const DAY = 86_400_000;

export function ShareFacts({ share }: { share: Share }) {
  const ended = share.expires_ms < Date.now();
  return (
    <span class="muted small">
      {t(ended ? "shares.ended" : "shares.until", { when: dateTime(share.expires_ms) })}
      {share.password && ` · ${t("shares.with-password")}`}
      {` · ${t("shares.downloads", { count: share.downloads })}`}
      {share.downloads_max > 0 && ` / ${share.downloads_max}`}
    </span>
  );
}

export function Sharing({ id }: { id: string }) {
  const list = useLoaded(() => all<Share>(`/api/documents/${id}/shares`), [id]);
  const [days, setDays] = useState("7");
  const [password, setPassword] = useState("");
  const [most, setMost] = useState("");
  const [made, setMade] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const share = await post<Share>(`/api/documents/${id}/shares`, {
        expires_ms: Date.now() + Number(days) * DAY,
        ...(password ? { password } : {}),
        ...(most ? { downloads_max: Number(most) } : {}),
      });
      setMade(location.origin + (share.path ?? ""));
      setPassword("");
      setError(null);
      list.again();
    } catch (problem) {
      setError(problem);
    }
  };
  const end = async (share: Share) => {
    try {
      await remove(`/api/shares/${share.id}`);
      setMade("");
      list.again();
      toast(t("shares.removed"));
    } catch (problem) {
      setError(problem);
    }
  };
  if (!list.value) return list.error ? <Failed error={list.error} again={list.again} /> : <Loading />;
  return (
    <>
      <p class="muted">{t("shares.help")}</p>
      {made && (
        <div class="note good made">
          <div class="grow">
            <strong>{t("shares.made")}</strong>
            <code class="address">{made}</code>
          </div>
          <button type="button" class="button"
            onClick={() => void navigator.clipboard.writeText(made).then(() => toast(t("copied")))}>
            <Icon name="copy" />
            {t("copy.text")}
          </button>
        </div>
      )}
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>{t("shares.days")}</span>
          <select class="input" value={days} onChange={(event) => setDays(event.currentTarget.value)}>
            {[1, 7, 30, 90].map((n) => <option key={n} value={n}>{t("days", { count: n })}</option>)}
          </select>
        </label>
        <label class="field">
          <span>{t("shares.password")}</span>
          <input class="input" type="password" autocomplete="new-password" minLength={12} value={password}
            onInput={(event) => setPassword(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("shares.most")}</span>
          <input class="input" type="number" min={1} max={1000000} value={most} onInput={(event) => setMost(event.currentTarget.value)} />
        </label>
        <FormError error={error} />
        <button class="button primary">
          <Icon name="link" />
          {t("shares.make")}
        </button>
      </form>
      <ul class="versions" aria-label={t("nav.shared")}>
        {list.value.map((share) => (
          <li key={share.id}>
            <ShareFacts share={share} />
            <p class="small muted">{t("by.when", { name: share.user, when: dateTime(share.created_ms) })}</p>
            <button type="button" class="button link" onClick={() => void end(share)}>{t("shares.remove")}</button>
          </li>
        ))}
      </ul>
    </>
  );
}
