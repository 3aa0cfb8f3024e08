// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { get, patch, post, remove } from "../api";
import { dateTime, t } from "../i18n";
import { session } from "../state";
import { Failed, FormError, Loading, useLoaded } from "./basic";

interface Comment {
  id: string;
  user: string;
  text: string;
  created_ms: number;
  edited_ms?: number;
}

export function Comments({ id }: { id: string }) {
  const list = useLoaded(() => get<{ items: Comment[] }>(`/api/nodes/${id}/comments`), [id]);
  if (!list.value) return list.error ? <Failed error={list.error} again={list.again} /> : <Loading />;
  return (
    <>
      {list.value.items.length === 0 && <p class="muted">{t("comments.none")}</p>}
      <ol class="comments">
        {list.value.items.map((one) => <Line key={one.id} one={one} again={list.again} />)}
      </ol>
      <Write label={t("comments.new")} action={t("comments.send")}
        done={async (text) => {
          await post(`/api/nodes/${id}/comments`, { text });
          list.again();
        }} />
    </>
  );
}

function Line({ one, again }: { one: Comment; again: () => void }) {
  const who = session.use();
  const [editing, setEditing] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const own = who.state === "in" && who.name === one.user;
  const drop = async () => {
    try {
      await remove(`/api/comments/${one.id}`);
      again();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <li>
      <p class="row wrap">
        <strong>{one.user}</strong>
        <span class="muted small">{dateTime(one.created_ms)}{one.edited_ms ? ` · ${t("comments.edited")}` : ""}</span>
      </p>
      {editing ? (
        <Write label={t("comments.edit")} action={t("save")} text={one.text} cancel={() => setEditing(false)}
          done={async (text) => {
            await patch(`/api/comments/${one.id}`, { text });
            setEditing(false);
            again();
          }} />
      ) : (
        <p class="said">{one.text}</p>
      )}
      <FormError error={error} />
      {!editing && (own || (who.state === "in" && who.admin)) && (
        <div class="row">
          {own && <button type="button" class="button link" onClick={() => setEditing(true)}>{t("edit")}</button>}
          <button type="button" class="button link" onClick={() => void drop()}>{t("remove")}</button>
        </div>
      )}
    </li>
  );
}

function Write(p: { label: string; action: string; text?: string; done: (text: string) => Promise<void>; cancel?: () => void }) {
  const [text, setText] = useState(p.text ?? "");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await p.done(text.trim());
      setText("");
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form class="form" onSubmit={submit}>
      <label class="field">
        <span>{p.label}</span>
        <textarea class="input" maxLength={5000} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <FormError error={error} />
      <div class="row end">
        {p.cancel && <button type="button" class="button" onClick={p.cancel}>{t("cancel")}</button>}
        <button class="button primary" disabled={!text.trim()}>{p.action}</button>
      </div>
    </form>
  );
}
