// SPDX-License-Identifier: Apache-2.0
// A page for administrators alone: its heading, what can be added, and a list that is loaded.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { t, type TextKey } from "../i18n";
import { changes, session } from "../state";
import { Empty, Failed, Icon, Loading, useLoaded } from "./basic";
import { show } from "./overlay";

export function AdminPage<T>(p: {
  title: TextKey;
  help?: TextKey;
  add: TextKey;
  dialog: (close: () => void) => ComponentChildren;
  load: (signal: AbortSignal) => Promise<T>;
  children: (loaded: T, me: string) => ComponentChildren;
}) {
  const who = session.use();
  const list = useLoaded(p.load, [changes.use()]);
  useEffect(() => {
    document.title = `${t(p.title)} · Coffer`;
  }, []);
  if (who.state !== "in" || !who.admin) return <Empty main icon="lock" title={t("problem.admins-only")} />;
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  return (
    <div class="view scroll page-view">
      <div class="row">
        <h1 class="grow">{t(p.title)}</h1>
        <button type="button" class="button primary" onClick={() => show(p.dialog)}>
          <Icon name="plus" />
          {t(p.add)}
        </button>
      </div>
      {p.help && <p class="muted">{t(p.help)}</p>}
      {p.children(list.value, who.name)}
    </div>
  );
}
