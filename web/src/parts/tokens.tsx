// SPDX-License-Identifier: Apache-2.0
// Tokens for programs: what each may do, until when, and when it was used.
import { useState } from "preact/hooks";
import { get, post, remove } from "../api";
import { dateTime, t, type TextKey } from "../i18n";
import { session } from "../state";
import { Failed, FormError, Icon, Loading, useLoaded } from "./basic";
import { askSure, Dialog, show, toast } from "./overlay";

interface Token {
  id: string;
  name: string;
  scopes: string[];
  created_ms: number;
  expires_ms: number | null;
  used_ms: number | null;
  token?: string;
}
const DAY = 86_400_000;

export function Tokens() {
  const list = useLoaded(() => get<{ items: Token[] }>("/api/tokens"), []);
  const end = (token: Token) =>
    askSure({
      title: t("tokens.end.title", { name: token.name }),
      text: t("tokens.end.text"),
      action: t("tokens.end"),
      done: async () => {
        await remove(`/api/tokens/${token.id}`);
        list.again();
      },
    });
  return (
    <section class="card">
      <div class="row">
        <h2 class="grow">{t("tokens")}</h2>
        <button type="button" class="button" onClick={() => show((close) => <TokenDialog close={close} done={list.again} />)}>
          <Icon name="plus" />
          {t("tokens.add")}
        </button>
      </div>
      <p class="muted">{t("tokens.help")}</p>
      {!list.value ? (list.error ? <Failed error={list.error} again={list.again} /> : <Loading />) : (
        <ul class="form">
          {list.value.items.map((token) => (
            <li key={token.id} class="row wrap">
              <Icon name="key" />
              <div class="grow">
                <strong>{token.name}</strong>{" "}
                {token.scopes.map((scope) => <span key={scope} class="badge">{t(`scope.${scope}` as TextKey)}</span>)}
                <p class="muted small">
                  {token.used_ms ? t("tokens.used", { when: dateTime(token.used_ms) }) : t("tokens.unused")}
                  {token.expires_ms && ` · ${t("shares.until", { when: dateTime(token.expires_ms) })}`}
                </p>
              </div>
              <button type="button" class="button link" aria-label={t("tokens.end.of", { name: token.name })} onClick={() => end(token)}>{t("tokens.end")}</button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function TokenDialog({ close, done }: { close: () => void; done: () => void }) {
  const who = session.use();
  const scopes = who.state === "in" && who.admin ? ["read", "write", "admin"] : ["read", "write"];
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<string[]>(["read"]);
  const [days, setDays] = useState("90");
  const [made, setMade] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const token = await post<Token>("/api/tokens", {
        name: name.trim(), scopes: chosen,
        ...(days === "0" ? {} : { expires_ms: Date.now() + Number(days) * DAY }),
      });
      setMade(token.token ?? "");
      done();
    } catch (problem) {
      setError(problem);
    }
  };
  if (made)
    return (
      <Dialog title={t("tokens.made", { name })} onClose={close}>
        <p>{t("tokens.made.text")}</p>
        <div class="row wrap">
          <code class="secret grow">{made}</code>
          <button type="button" class="button" data-first
            onClick={() => void navigator.clipboard.writeText(made).then(() => toast(t("copied")))}>
            <Icon name="copy" />
            {t("copy.text")}
          </button>
        </div>
        <footer><button type="button" class="button primary" onClick={close}>{t("done")}</button></footer>
      </Dialog>
    );
  return (
    <Dialog title={t("tokens.add")} onClose={close}>
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>{t("name")}</span>
          <input class="input" data-first required maxLength={64} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <fieldset class="choices">
          <legend>{t("tokens.may")}</legend>
          {scopes.map((scope) => (
            <label key={scope} class="check">
              <input type="checkbox" checked={chosen.includes(scope)}
                onChange={(event) => setChosen(event.currentTarget.checked ? [...chosen, scope] : chosen.filter((one) => one !== scope))} />
              {t(`scope.${scope}` as TextKey)}
            </label>
          ))}
        </fieldset>
        <label class="field">
          <span>{t("tokens.days")}</span>
          <select class="input" value={days} onChange={(event) => setDays(event.currentTarget.value)}>
            {[30, 90, 365].map((n) => <option key={n} value={n}>{t("days", { count: n })}</option>)}
            <option value="0">{t("tokens.for-ever")}</option>
          </select>
        </label>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary" disabled={chosen.length === 0}>{t("create")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
