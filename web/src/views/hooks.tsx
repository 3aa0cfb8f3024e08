// SPDX-License-Identifier: Apache-2.0
// Web hooks: which programs are told what happens, and how that goes.
import { useEffect, useState } from "preact/hooks";
import { all, get, patch, post, remove } from "../api";
import { dateTime, t } from "../i18n";
import { Empty, Failed, FormError, Icon, Loading, useLoaded } from "../parts/basic";
import { FolderDialog } from "../parts/folders";
import { askSure, Dialog, show } from "../parts/overlay";
import { Place } from "../parts/place";
import { changed, changes, session } from "../state";

interface DeadLetter {
  first: number;
  events: number;
  at_ms: number;
  why: string;
}

interface Hook {
  id: string;
  name: string;
  url: string;
  created_by: string;
  created_ms: number;
  kinds: string[];
  /** Only what is about something in it; null: all. */
  folder: string | null;
  paused: boolean;
  failures: number;
  next_ms: number | null;
  last_ms: number | null;
  last: string;
  delivered: number;
  dead: number;
  secret?: string;
  dead_letters?: DeadLetter[];
}

export function Hooks() {
  const who = session.use();
  const change = changes.use();
  const admin = who.state === "in" && who.admin;
  const list = useLoaded(() => all<Hook>("/api/hooks"), [change]);
  useEffect(() => {
    document.title = `${t("nav.hooks")} · Coffer`;
  }, []);
  if (!admin) return <Empty main icon="lock" title={t("problem.admins-only")} />;
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  return (
    <div class="view scroll page-view">
      <div class="row">
        <h1 class="grow">{t("nav.hooks")}</h1>
        <button type="button" class="button primary" onClick={() => show((close) => <HookDialog close={close} />)}>
          <Icon name="plus" />
          {t("hooks.add")}
        </button>
      </div>
      <p class="muted">{t("hooks.help")}</p>
      {list.value.length === 0 ? <Empty icon="globe" title={t("hooks.none")} /> : (
        <ul class="form">
          {list.value.map((hook) => <HookCard key={hook.id} hook={hook} />)}
        </ul>
      )}
    </div>
  );
}

function HookCard({ hook }: { hook: Hook }) {
  const path = `/api/hooks/${hook.id}`;
  const [error, setError] = useState<unknown>(null);
  const run = async (action: () => Promise<unknown>) => {
    setError(null);
    try {
      await action();
      changed();
    } catch (problem) {
      setError(problem);
    }
  };
  const failing = hook.failures > 0 && !hook.paused;
  return (
    <li class="card">
      <div class="row wrap">
        <h2 class="grow">{hook.name}</h2>
        <span class={`badge ${hook.paused || failing ? "" : "accent"}`}>
          {t(hook.paused ? "hooks.paused" : failing ? "hooks.failing" : "hooks.on")}
        </span>
      </div>
      <p>{hook.url}</p>
      <p class="muted">
        {hook.kinds.length > 0 ? hook.kinds.join(", ") : t("hooks.everything")} ·{" "}
        {hook.folder && <>{t("hooks.folder")} <Place id={hook.folder} as="link" /> · </>}
        {t("by.when", { name: hook.created_by, when: dateTime(hook.created_ms) })}
      </p>
      <p>
        {t("hooks.delivered", { count: hook.delivered })}
        {hook.last_ms && ` · ${t("hooks.last", { what: hook.last, when: dateTime(hook.last_ms) })}`}
        {failing && hook.next_ms && ` · ${t("hooks.next", { when: dateTime(hook.next_ms) })}`}
      </p>
      {hook.dead > 0 && (
        <button type="button" class="button" onClick={() => show((close) => <Dead path={path} name={hook.name} close={close} />)}>
          {t("hooks.dead", { count: hook.dead })}
        </button>
      )}
      <FormError error={error} />
      <div class="row wrap">
        <button type="button" class="button" onClick={() => void run(() => tested(path, hook.last_ms))}>{t("hooks.test")}</button>
        <button type="button" class="button" onClick={() => void run(() => patch(path, { paused: !hook.paused }))}>
          {t(hook.paused ? "hooks.resume" : "hooks.pause")}
        </button>
        <button
          type="button"
          class="button danger"
          onClick={() =>
            askSure({
              title: t("hooks.remove.title", { name: hook.name }),
              text: t("hooks.remove.text"),
              action: t("remove"),
              done: () => run(() => remove(path)),
            })}
        >
          {t("remove")}
        </button>
      </div>
    </li>
  );
}

// The server answers before the receiver has: its word is waited for here.
async function tested(path: string, before: number | null) {
  await post(`${path}/test`);
  for (let tries = 0; tries < 30; tries++) {
    const hook = await get<Hook>(path);
    if (hook.last_ms !== before) return;
    await new Promise((done) => setTimeout(done, 500));
  }
}

function Dead({ path, name, close }: { path: string; name: string; close: () => void }) {
  const hook = useLoaded(() => get<Hook>(path), [path]);
  const [error, setError] = useState<unknown>(null);
  const again = async (letter: DeadLetter) => {
    try {
      await patch(path, { after: letter.first - 1 });
      changed();
      close();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("hooks.dead.title", { name })} onClose={close}>
      {!hook.value ? hook.error ? <Failed error={hook.error} again={hook.again} /> : <Loading /> : (
        <ul class="form">
          {(hook.value.dead_letters ?? []).map((letter) => (
            <li key={letter.first} class="row wrap">
              <span class="grow">{t("hooks.dead.line", { count: letter.events, what: letter.why, when: dateTime(letter.at_ms) })}</span>
              <button type="button" class="button" onClick={() => void again(letter)}>{t("hooks.again")}</button>
            </li>
          ))}
        </ul>
      )}
      <FormError error={error} />
    </Dialog>
  );
}

function HookDialog({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [url, setUrl] = useState("https://");
  const [kinds, setKinds] = useState("");
  const [folder, setFolder] = useState<string | null>(null);
  const [secret, setSecret] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const words = kinds.split(/[\s,]+/).filter(Boolean);
      const hook = await post<Hook>("/api/hooks", {
        name: name.trim(), url: url.trim(), ...(words.length > 0 ? { kinds: words } : {}), ...(folder ? { folder } : {}),
      });
      changed();
      setSecret(hook?.secret ?? "");
    } catch (problem) {
      setError(problem);
    }
  };
  const folderAsk = () => show((done) => (
    <FolderDialog title={t("hooks.folder")} action={t("hooks.folder.here")} start={folder ?? "root"} forbidden={[]} close={done}
      done={async (id) => setFolder(id)} />
  ));
  if (secret)
    return (
      <Dialog title={t("hooks.secret")} onClose={close}>
        <p>{t("hooks.secret.help")}</p>
        <p><code>{secret}</code></p>
        <footer>
          <button type="button" class="button primary" data-first onClick={close}>{t("close")}</button>
        </footer>
      </Dialog>
    );
  return (
    <Dialog title={t("hooks.add")} onClose={close}>
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>{t("name")}</span>
          <input class="input" data-first required maxLength={128} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("hooks.url")}</span>
          <input class="input" type="url" required maxLength={2000} value={url} onInput={(event) => setUrl(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("hooks.kinds")}</span>
          <input class="input" maxLength={1000} placeholder="create version purge" value={kinds} onInput={(event) => setKinds(event.currentTarget.value)} />
        </label>
        <fieldset class="field">
          <legend>{t("hooks.folder")}</legend>
          <p>{folder ? <Place id={folder} as="text" /> : t("hooks.folder.all")}</p>
          <div class="row wrap">
            <button type="button" class="button" onClick={folderAsk}>{t("hooks.folder.choose")}</button>
            {folder && <button type="button" class="button" onClick={() => setFolder(null)}>{t("hooks.folder.all")}</button>}
          </div>
        </fieldset>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary">{t("create")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
