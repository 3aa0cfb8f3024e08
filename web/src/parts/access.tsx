// SPDX-License-Identifier: Apache-2.0
// Who may read and change a folder or document: its own list, and what folders above give.
import { useState } from "preact/hooks";
import type { Node } from "../api";
import { aclChange, aclOf } from "../cmis";
import { t, type TextKey } from "../i18n";
import { Failed, FormError, Icon, Loading, useLoaded } from "./basic";
import { Dialog, show } from "./overlay";

const RIGHTS = ["cmis:read", "cmis:write", "cmis:all"];
const rightText = (right: string) =>
  RIGHTS.includes(right) ? t(`right.${right.slice(5)}` as TextKey) : right;

export function accessAsk(node: Node) {
  show((close) => (
    <Dialog title={t("access.title", { name: node.name })} onClose={close}>
      <Access id={node.id} />
    </Dialog>
  ));
}

export function Access({ id }: { id: string }) {
  const list = useLoaded(() => aclOf(id), [id]);
  const [who, setWho] = useState("");
  const [right, setRight] = useState("cmis:read");
  const [error, setError] = useState<unknown>(null);
  const change = async (add: [string, string][], drop: [string, string][]) => {
    try {
      await aclChange(id, add, drop);
      setError(null);
      setWho("");
      list.again();
    } catch (problem) {
      setError(problem);
    }
  };
  if (!list.value) return list.error ? <Failed error={list.error} again={list.again} /> : <Loading />;
  const rows = list.value.aces.flatMap((ace) =>
    ace.permissions.map((what) => ({ name: ace.principal.principalId, what, direct: ace.isDirect })),
  );
  return (
    <>
      <p class="muted">{t("access.help")}</p>
      <ul class="access" aria-label={t("access")}>
        {rows.map(({ name, what, direct }) => (
          <li key={`${name} ${what} ${direct}`} class="row">
            <Icon name={name === "anyone" ? "users" : "user"} />
            <span class="grow">
              <strong>{name === "anyone" ? t("access.anyone") : name}</strong>{" "}
              <span class="muted">{rightText(what)}</span>{" "}
              {!direct && <span class="badge">{t("access.inherited")}</span>}
            </span>
            <button type="button" class="button link" aria-label={t("access.remove", { name })}
              onClick={() => void change([], [[name, what]])}>{t("remove")}</button>
          </li>
        ))}
      </ul>
      <form class="row wrap access-add" onSubmit={(event) => {
        event.preventDefault();
        void change([[who.trim(), right]], []);
      }}>
        <input class="input grow" required aria-label={t("access.who")} placeholder={t("access.who")} value={who}
          autocapitalize="none" autocomplete="off" onInput={(event) => setWho(event.currentTarget.value)} />
        <select class="input fit" aria-label={t("access.right")} value={right} onChange={(event) => setRight(event.currentTarget.value)}>
          {RIGHTS.map((one) => <option key={one} value={one}>{rightText(one)}</option>)}
        </select>
        <button class="button">{t("add")}</button>
      </form>
      <FormError error={error} />
    </>
  );
}
