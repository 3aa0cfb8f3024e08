// SPDX-License-Identifier: Apache-2.0
// Who a user is elsewhere: at the provider that this server knows. Linking oneself leads through it.
import { useState } from "preact/hooks";
import { get, post, remove } from "../api";
import { dateTime, has, t, type TextKey } from "../i18n";
import { place } from "../router";
import { Failed, Field, FormError, Icon, Loading, useLoaded } from "./basic";
import { askSure, Dialog, toast } from "./overlay";

export interface Identity {
  id: string;
  kind: "openid" | "certificate";
  issuer: string;
  subject: string;
  label: string;
  created_ms: number;
  used_ms: number | null;
}
export interface Ways {
  openid: string | null;
  /** What the connection shows. */
  certificate: { key: string; subject: string } | null;
}

/** What the server meant when it sent the browser back with `?openid=WORD`. */
export function wayText(word: string): string {
  const key = `openid.${word}`;
  return t(has(key) ? key : "openid.failed");
}

function List({ items, unlink }: { items: Identity[]; unlink: (identity: Identity) => void }) {
  return (
    <ul class="form">
      {items.map((identity) => (
        <li key={identity.id} class="row wrap">
          <Icon name="user" />
          <div class="grow">
            <strong>{identity.label || identity.subject}</strong>
            <p class="muted small">
              {t(`identity.${identity.kind}` as TextKey, { issuer: identity.issuer, subject: identity.subject })} ·{" "}
              {identity.used_ms ? t("tokens.used", { when: dateTime(identity.used_ms) }) : t("tokens.unused")}
            </p>
          </div>
          <button type="button" class="button link" aria-label={t("identity.unlink.of", { name: identity.label || identity.subject })}
            onClick={() => unlink(identity)}>{t("identity.unlink")}</button>
        </li>
      ))}
    </ul>
  );
}

function unlinkAsk(path: string, identity: Identity, done: () => void) {
  askSure({
    title: t("identity.unlink.title", { name: identity.label || identity.subject }),
    text: t("identity.unlink.text"),
    action: t("identity.unlink"),
    done: async () => {
      await remove(`${path}/${identity.id}`);
      done();
      toast(t("identity.unlinked"));
    },
  });
}

/** One's own, in the profile; nothing at all where there is no provider and nothing linked. */
export function Identities() {
  const path = "/api/me/identities";
  const word = place.use().query.get("openid");
  const ways = useLoaded(() => get<Ways>("/api/sign-in"), []);
  const list = useLoaded(() => get<{ items: Identity[] }>(path), []);
  const [error, setError] = useState<unknown>(null);
  const linkCertificate = async () => {
    try {
      await post(path, { kind: "certificate" });
      list.again();
    } catch (problem) {
      setError(problem);
    }
  };
  const link = async () => {
    try {
      const { location: to } = await post<{ location: string }>(path, { kind: "openid" });
      location.assign(to);
    } catch (problem) {
      setError(problem);
    }
  };
  if (!list.value || !ways.value) return null;
  const { items } = list.value;
  const { openid, certificate } = ways.value;
  if (!openid && !certificate && items.length === 0) return null;
  const fresh = certificate && !items.some((one) => one.kind === "certificate" && one.subject === certificate.key);
  return (
    <section class="card">
      <h2>{t("identity")}</h2>
      <p class="muted">{t("identity.help")}</p>
      {word && <p class={`note ${word === "linked" ? "good" : "bad"}`} role="status">{wayText(word)}</p>}
      <List items={items} unlink={(identity) => unlinkAsk(path, identity, list.again)} />
      <FormError error={error} />
      {(openid || fresh) && (
        <div class="row wrap">
          {openid && <button type="button" class="button" onClick={() => void link()}>{t("identity.link", { name: openid })}</button>}
          {fresh && <button type="button" class="button" onClick={() => void linkCertificate()}>{t("certificate.link")}</button>}
        </div>
      )}
    </section>
  );
}

/** An administrator's view of somebody's. */
export function IdentitiesDialog({ name, close }: { name: string; close: () => void }) {
  const path = `/api/users/${encodeURIComponent(name)}/identities`;
  const ways = useLoaded(() => get<Ways>("/api/sign-in"), []);
  const list = useLoaded(() => get<{ items: Identity[] }>(path), []);
  const [subject, setSubject] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(null);
    const text = subject.trim();
    try {
      await post(path, { kind: text.startsWith("sha256:") ? "certificate" : "openid", subject: text });
      setSubject("");
      list.again();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("identity.of", { name })} onClose={close}>
      {!list.value || !ways.value ? (list.error ? <Failed error={list.error} again={list.again} /> : <Loading />) : (
        <>
          {list.value.items.length === 0 && <p>{t("identity.none")}</p>}
          <List items={list.value.items} unlink={(identity) => unlinkAsk(path, identity, list.again)} />
          <form class="form" onSubmit={submit}>
            <Field label={ways.value.openid ? t("identity.subject", { name: ways.value.openid }) : t("identity.subject.certificate")} help={t("identity.subject.help")}>
              {(id, help) => <input id={id} aria-describedby={help} class="input" required maxLength={255} value={subject}
                autocomplete="off" autocapitalize="none" spellcheck={false} onInput={(event) => setSubject(event.currentTarget.value)} />}
            </Field>
            <FormError error={error} />
            <button class="button primary">{t("identity.add")}</button>
          </form>
        </>
      )}
      <footer><button type="button" class="button" data-first onClick={close}>{t("done")}</button></footer>
    </Dialog>
  );
}
