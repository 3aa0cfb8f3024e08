// SPDX-License-Identifier: Apache-2.0
// Signing in, and the first change of a one-time password.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, Problem, put, send, type User } from "../api";
import { t } from "../i18n";
import { Field, FormError, Icon, useLoaded } from "../parts/basic";
import { type Ways, wayText } from "../parts/identities";
import { LookSwitches } from "../parts/look";
import { go, place } from "../router";
import { session } from "../state";
import logo from "../icons/coffer.svg?url";

export async function sessionLoad() {
  try {
    const first = session.get().state !== "in";
    const user: User = await (await send("GET", "/api/me", { signingIn: first })).json();
    session.set(
      user.password_change_required
        ? { state: "must-change", name: user.name }
        : { state: "in", name: user.name, admin: user.administrator ?? user.role === "admin" },
    );
  } catch {
    if (session.get().state === "unknown") session.set({ state: "out" });
  }
}

export async function signOut() {
  let elsewhere: string | undefined;
  try {
    const answer = await send("DELETE", "/api/sessions/current");
    if (answer.status === 200) elsewhere = (await answer.json()).location;
  } finally {
    session.set({ state: "out", elsewhere });
  }
}

function Frame(p: { title: string; children: preact.ComponentChildren }) {
  useEffect(() => {
    document.title = `${p.title} · Coffer`;
  }, [p.title]);
  return (
    <main class="sign">
      <div class="card">
        <img src={logo} alt="" width={44} height={44} />
        <h1>{p.title}</h1>
        {p.children}
      </div>
      <LookSwitches />
      <p class="muted">
        <Icon name="shield" /> {t("sign.claim")}
      </p>
    </main>
  );
}

/** The second factor of who has come back from a provider. */
function CodeForm({ done }: { done: (path: string) => void }) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const code = new FormData(event.currentTarget as HTMLFormElement).get("code")?.toString().replace(/\s/g, "");
    setBusy(true);
    setError(null);
    try {
      const answer = await send("POST", "/api/sign-in/openid/code", { body: { code }, signingIn: true });
      done((await answer.json()).return);
    } catch (problem) {
      const late = problem instanceof Problem && problem.type === "not-signed-in";
      if (late) go("/app/sign-in?openid=state", true);
      else setError(problem);
    }
    setBusy(false);
  };
  return (
    <form class="form" onSubmit={submit}>
      <Field label={t("factor.code")} help={t("factor.code.help")}>
        {(id, help) => <input id={id} aria-describedby={help} class="input" name="code" inputMode="numeric"
          autocomplete="one-time-code" required autofocus ref={(input) => input?.focus()} />}
      </Field>
      <FormError error={error} />
      <button class="button primary wide" disabled={busy}>{t("sign.in")}</button>
    </form>
  );
}

/** The button that leads to the provider, and back to where one wanted to go. */
function Elsewhere({ name }: { name: string }) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const leave = async () => {
    const here = location.pathname + location.search;
    const wanted = here.startsWith("/app/") && !here.startsWith("/app/sign-in") ? here : undefined;
    setBusy(true);
    setError(null);
    try {
      const begin = (body: object) => send("POST", "/api/sign-in/openid", { body, signingIn: true });
      const answer = await begin({ return: wanted }).catch((problem) => {
        if (wanted && problem instanceof Problem && problem.status === 422) return begin({}); // an odd place
        throw problem;
      });
      location.assign((await answer.json()).location);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <div class="form">
      <FormError error={error} />
      <button type="button" class="button wide" disabled={busy} onClick={() => void leave()}>{t("sign.with", { name })}</button>
    </div>
  );
}

/** The button for who shows a client certificate. */
function ByCertificate({ of }: { of: string }) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const sign = async () => {
    setBusy(true);
    setError(null);
    try {
      await send("POST", "/api/sign-in/certificate", { body: { cookie: true }, signingIn: true });
      await sessionLoad();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  const unknown = error instanceof Problem && error.type === "not-linked";
  return (
    <div class="form">
      {unknown ? <p class="note bad" role="alert">{t("certificate.not-linked", { key: of })}</p> : <FormError error={error} />}
      <button type="button" class="button wide" disabled={busy} onClick={() => void sign()}>{t("certificate.sign")}</button>
    </div>
  );
}

export function SignIn({ ended, elsewhere }: { ended?: boolean; elsewhere?: string }) {
  const word = place.use().query.get("openid");
  const ways = useLoaded(async () => (await send("GET", "/api/sign-in", { signingIn: true })).json() as Promise<Ways>, []);
  const [error, setError] = useState<unknown>(null);
  const [lost, setLost] = useState(false);
  const [second, setSecond] = useState(false);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    const data = new FormData(form.current ?? undefined);
    setBusy(true);
    setError(null);
    try {
      await send("POST", "/api/sessions", {
        body: {
          user: data.get("user"), password: data.get("password"), cookie: true,
          ...(second ? { code: data.get("code")?.toString().replace(/\s/g, "") } : {}),
        },
        signingIn: true,
      });
      await get("/api/me").catch(() => setLost(true));
      await sessionLoad();
    } catch (problem) {
      const asks = problem instanceof Problem && problem.type === "second-factor-required";
      if (asks) setSecond(true);
      setError(asks ? null : problem);
    }
    setBusy(false);
  };
  if (word === "code")
    return (
      <Frame title={t("sign.code")}>
        <CodeForm done={(path) => {
          go(path, true);
          void sessionLoad();
        }} />
      </Frame>
    );
  return (
    <Frame title={t("sign.title")}>
      {elsewhere && (
        <p class="note" role="status">
          {t("sign.elsewhere")} <a href={elsewhere}>{t("sign.elsewhere.link", { name: ways.value?.openid ?? "" })}</a>
        </p>
      )}
      {word && !elsewhere && <p class="note bad" role="alert">{wayText(word)}</p>}
      {ended && <p class="note warn" role="status">{t("sign.ended")}</p>}
      {lost && <p class="note bad" role="alert">{t("sign.no-cookie")}</p>}
      <form ref={form} class="form" onSubmit={submit}>
        <label class="field">
          <span>{t("user")}</span>
          <input class="input" name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus />
        </label>
        <label class="field">
          <span>{t("password")}</span>
          <input class="input" name="password" type="password" autocomplete="current-password" required />
        </label>
        {second && (
          <label class="field">
            <span>{t("factor.code")}</span>
            <input class="input" name="code" inputMode="numeric" autocomplete="one-time-code" required autofocus
              ref={(input) => input?.focus()} />
            <small>{t("factor.code.help")}</small>
          </label>
        )}
        <FormError error={error} />
        <button class="button primary wide" disabled={busy}>{t("sign.in")}</button>
      </form>
      {(ways.value?.certificate || ways.value?.openid) && <p class="muted">{t("sign.or")}</p>}
      {ways.value?.certificate && <ByCertificate of={ways.value.certificate.key} />}
      {ways.value?.openid && <Elsewhere name={ways.value.openid} />}
    </Frame>
  );
}

/** Old, new, and new again; also used in the profile. */
export function PasswordForm({ done, name }: { done: () => void; name: string }) {
  const [error, setError] = useState<unknown>(null);
  const [differ, setDiffer] = useState(false);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    setError(null);
    setDiffer(data.get("new") !== data.get("again"));
    if (data.get("new") !== data.get("again")) return;
    setBusy(true);
    try {
      await put("/api/me/password", { old: data.get("old"), new: data.get("new") });
      form.reset();
      done();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <form class="form" onSubmit={submit}>
      <input type="text" name="user" autocomplete="username" value={name} hidden readOnly />
      <label class="field">
        <span>{t("password.old")}</span>
        <input class="input" name="old" type="password" autocomplete="current-password" required />
      </label>
      <Field label={t("password.new")} help={t("password.help")}>
        {(id, help) => (
          <input id={id} class="input" name="new" type="password" autocomplete="new-password" minLength={12} required aria-describedby={help} />
        )}
      </Field>
      <label class="field">
        <span>{t("password.again")}</span>
        <input class="input" name="again" type="password" autocomplete="new-password" required aria-invalid={differ} />
      </label>
      <div role="alert">{differ && <p class="form-error">{t("password.differ")}</p>}</div>
      <FormError error={error} />
      <button class="button primary" disabled={busy}>{t("password.set")}</button>
    </form>
  );
}

export function MustChange({ name }: { name: string }) {
  return (
    <Frame title={t("password.first")}>
      <p>{t("password.first.why")}</p>
      <PasswordForm name={name} done={() => void sessionLoad()} />
      <button type="button" class="button quiet" onClick={() => void signOut()}>{t("sign.out")}</button>
    </Frame>
  );
}
