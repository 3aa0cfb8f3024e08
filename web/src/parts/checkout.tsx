// SPDX-License-Identifier: Apache-2.0
// Checking out keeps others from changing a document until it is checked in again.
import { useRef, useState } from "preact/hooks";
import type { Node } from "../api";
import { act, properties, type Properties } from "../cmis";
import { t } from "../i18n";
import { changed, session } from "../state";
import { FormError, Icon, problemText } from "./basic";
import { Dialog, show, toast } from "./overlay";

export interface CheckedOut {
  by: string;
  copy: string;
}

/** Who has it, or null. */
export async function checkedOut(id: string): Promise<CheckedOut | null> {
  const all: Properties = await properties(id);
  return all["cmis:isVersionSeriesCheckedOut"] === true
    ? { by: String(all["cmis:versionSeriesCheckedOutBy"] ?? ""), copy: String(all["cmis:versionSeriesCheckedOutId"] ?? "") }
    : null;
}

export async function checkOut(node: Node) {
  try {
    await act("checkOut", { objectId: node.id });
    toast(t("checkout.done", { name: node.name }));
  } catch (error) {
    toast(problemText(error));
  }
  changed();
}

async function cancelCheckOut(out: CheckedOut) {
  try {
    await act("cancelCheckOut", { objectId: out.copy });
    toast(t("checkout.cancelled"));
  } catch (error) {
    toast(problemText(error));
  }
  changed();
}

export function CheckOutBar({ node, out }: { node: Node; out: CheckedOut }) {
  const who = session.use();
  const mine = who.state === "in" && who.name === out.by;
  return (
    <div class="note warn out" role="status">
      <Icon name="lock" />
      <span class="grow">{t(mine ? "checkout.mine" : "checkout.by", { name: out.by })}</span>
      {(mine || (who.state === "in" && who.admin)) && (
        <button type="button" class="button link" onClick={() => void cancelCheckOut(out)}>{t("checkout.cancel")}</button>
      )}
      {mine && (
        <button type="button" class="button primary" onClick={() => show((close) => <CheckIn node={node} out={out} close={close} />)}>
          {t("checkin")}
        </button>
      )}
    </div>
  );
}

function CheckIn({ node, out, close }: { node: Node; out: CheckedOut; close: () => void }) {
  const file = useRef<HTMLInputElement>(null);
  const [comment, setComment] = useState("");
  const [major, setMajor] = useState(true);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await act("checkIn", { objectId: out.copy, major: String(major), checkinComment: comment }, file.current?.files?.[0]);
      changed();
      close();
      toast(t("checkin.done", { name: node.name }));
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("checkin.title", { name: node.name })} onClose={close}>
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>{t("checkin.file")}</span>
          <input ref={file} class="input" type="file" />
        </label>
        <label class="field">
          <span>{t("checkin.comment")}</span>
          <textarea class="input" data-first maxLength={1000} value={comment} onInput={(event) => setComment(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={major} onChange={(event) => setMajor(event.currentTarget.checked)} />
          {t("checkin.major")}
        </label>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary" disabled={busy}>{t("checkin")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
