// SPDX-License-Identifier: Apache-2.0
// The second factor: a code from an authenticator program at each sign-in.
import qrcode from "qrcode-generator";
import { useMemo, useState } from "preact/hooks";
import { get, post, send, type User } from "../api";
import { t } from "../i18n";
import { FormError, Loading, useLoaded } from "./basic";
import { Dialog, show, toast } from "./overlay";

export function Factor() {
  const me = useLoaded(() => get<User & { second_factor?: boolean }>("/api/me"), []);
  const on = me.value?.second_factor;
  return (
    <section class="card">
      <h2>{t("factor")}</h2>
      <p class="muted">{t("factor.help")}</p>
      {me.value && (
        <div class="row wrap">
          {on !== undefined && <span class={`badge ${on ? "accent" : ""}`}>{t(on ? "factor.on" : "factor.off")}</span>}
          {on !== true && (
            <button type="button" class="button" onClick={() => show((close) => <Begin close={close} done={me.again} />)}>{t("factor.begin")}</button>
          )}
          {on !== false && (
            <button type="button" class="button" onClick={() => show((close) => <End close={close} done={me.again} />)}>{t("factor.end")}</button>
          )}
        </div>
      )}
    </section>
  );
}

function Picture({ text }: { text: string }) {
  const cells = useMemo(() => {
    const code = qrcode(0, "M");
    code.addData(text);
    code.make();
    const size = code.getModuleCount();
    let path = "";
    for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) if (code.isDark(y, x)) path += `M${x + 4} ${y + 4}h1v1h-1z`;
    return { size: size + 8, path };
  }, [text]);
  return (
    <svg class="qr" viewBox={`0 0 ${cells.size} ${cells.size}`} role="img" aria-label={t("factor.picture")}>
      <rect width="100%" height="100%" fill="#fff" />
      <path d={cells.path} fill="#000" />
    </svg>
  );
}

function Code({ value, set }: { value: string; set: (value: string) => void }) {
  return (
    <label class="field">
      <span>{t("factor.code")}</span>
      <input class="input" inputMode="numeric" autocomplete="one-time-code" required maxLength={32} value={value}
        onInput={(event) => set(event.currentTarget.value)} />
    </label>
  );
}

function Begin({ close, done }: { close: () => void; done: () => void }) {
  const made = useLoaded(() => post<{ secret: string; uri: string }>("/api/me/second-factor"), []);
  const [code, setCode] = useState("");
  const [codes, setCodes] = useState<string[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const answer = await send("PUT", "/api/me/second-factor", { body: { code: code.replace(/\s/g, "") } });
      setCodes((await answer.json()).recovery_codes);
      done();
    } catch (problem) {
      setError(problem);
    }
  };
  if (codes)
    return (
      <Dialog title={t("factor.recovery")} onClose={close}>
        <p>{t("factor.recovery.text")}</p>
        <pre class="secret" tabIndex={0}>{codes.join("\n")}</pre>
        <footer>
          <button type="button" class="button" onClick={() => void navigator.clipboard.writeText(codes.join("\n")).then(() => toast(t("copied")))}>{t("copy.text")}</button>
          <button type="button" class="button primary" data-first onClick={close}>{t("done")}</button>
        </footer>
      </Dialog>
    );
  return (
    <Dialog title={t("factor.begin")} onClose={close}>
      {made.value ? (
        <form class="form" onSubmit={submit}>
          <p>{t("factor.begin.text")}</p>
          <Picture text={made.value.uri} />
          <p class="small">{t("factor.secret")} <code class="address">{made.value.secret}</code></p>
          <Code value={code} set={setCode} />
          <FormError error={error} />
          <footer>
            <button type="button" class="button" onClick={close}>{t("cancel")}</button>
            <button class="button primary">{t("factor.confirm")}</button>
          </footer>
        </form>
      ) : made.error ? <FormError error={made.error} /> : <Loading />}
    </Dialog>
  );
}

function End({ close, done }: { close: () => void; done: () => void }) {
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await send("DELETE", "/api/me/second-factor", { body: { code: code.replace(/\s/g, "") } });
      done();
      close();
      toast(t("factor.ended"));
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("factor.end")} onClose={close}>
      <form class="form" onSubmit={submit}>
        <p>{t("factor.end.text")}</p>
        <Code value={code} set={setCode} />
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button danger">{t("factor.end")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
