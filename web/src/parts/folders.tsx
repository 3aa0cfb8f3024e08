// SPDX-License-Identifier: Apache-2.0
// Choosing a folder: one level at a time, by pointer or keyboard.
import { useState } from "preact/hooks";
import { all, get, post, type Node } from "../api";
import { t } from "../i18n";
import { FormError, Icon, Loading, useLoaded } from "./basic";
import { Dialog } from "./overlay";

export function FolderDialog(p: {
  title: string;
  action: string;
  start: string;
  forbidden: string[];
  close: () => void;
  done: (parent: string) => Promise<void>;
}) {
  const [at, setAt] = useState(p.start);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [fresh, setFresh] = useState("");
  const here = useLoaded(async () => {
    const folder = await get<Node>(`/api/folders/${at}`);
    const items = await all<Node>(`/api/folders/${at}/children`);
    return { folder, folders: items.filter((node) => node.kind === "folder") };
  }, [at]);
  const choose = async () => {
    setBusy(true);
    try {
      await p.done(at);
      p.close();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  const create = async (event: Event) => {
    event.preventDefault();
    try {
      const made = await post<Node>("/api/folders", { name: fresh.trim(), parent: at });
      setFresh("");
      setError(null);
      setAt(made.id);
    } catch (problem) {
      setError(problem);
    }
  };
  const current = here.value?.folder;
  return (
    <Dialog title={p.title} onClose={p.close}>
      <div class="row">
        <button
          type="button"
          class="button"
          disabled={!current?.parent}
          onClick={() => current?.parent && setAt(current.parent)}
        >
          <Icon name="arrow-up" />
          {t("up")}
        </button>
        <strong class="grow" aria-live="polite">
          {current ? (current.id === "root" ? t("nav.files") : current.name) : ""}
        </strong>
      </div>
      <ul class="picker" aria-label={t("folders")}>
        {!here.value && <Loading />}
        {here.value?.folders.map((folder) => (
          <li key={folder.id}>
            <button
              type="button"
              disabled={p.forbidden.includes(folder.id)}
              onClick={() => setAt(folder.id)}
            >
              <Icon name="folder" />
              <span class="grow">{folder.name}</span>
              <Icon name="chevron-right" />
            </button>
          </li>
        ))}
        {here.value?.folders.length === 0 && <li class="muted pad">{t("folders.none")}</li>}
      </ul>
      <form class="row" onSubmit={create}>
        <input
          class="input grow"
          aria-label={t("folder.title")}
          placeholder={t("folder.title")}
          value={fresh}
          onInput={(event) => setFresh(event.currentTarget.value)}
        />
        <button class="button" disabled={!fresh.trim()}>
          {t("create")}
        </button>
      </form>
      <FormError error={error ?? here.error} />
      <footer>
        <button type="button" class="button" onClick={p.close}>
          {t("cancel")}
        </button>
        <button type="button" class="button primary" disabled={busy || !current} onClick={choose}>
          {p.action}
        </button>
      </footer>
    </Dialog>
  );
}
