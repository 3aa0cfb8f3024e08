// SPDX-License-Identifier: Apache-2.0
import { useEffect } from "preact/hooks";
import { get, type User } from "../api";
import { t } from "../i18n";
import { useLoaded } from "../parts/basic";
import { Factor } from "../parts/factor";
import { Identities } from "../parts/identities";
import { LookSwitches } from "../parts/look";
import { toast } from "../parts/overlay";
import { QuotaBar, usageText } from "../parts/quota";
import { Sessions } from "../parts/sessions";
import { Tokens } from "../parts/tokens";
import { session } from "../state";
import { PasswordForm, signOut } from "./signin";

export function Profile() {
  const who = session.use();
  const name = who.state === "in" ? who.name : "";
  const me = useLoaded((signal) => get<User>("/api/me", signal), [name]);
  useEffect(() => {
    document.title = `${t("nav.profile")} · Coffer`;
  }, []);
  return (
    <div class="view scroll page-view">
      <h1>{name}</h1>
      {me.value && (
        <section class="card">
          <h2>{t("quota.used")}</h2>
          <p>{usageText(me.value.quota)}</p>
          <QuotaBar quota={me.value.quota} />
        </section>
      )}
      <section class="card">
        <h2>{t("profile.look")}</h2>
        <LookSwitches />
      </section>
      <section class="card">
        <h2>{t("password")}</h2>
        <p class="muted">{t("password.effect")}</p>
        <PasswordForm name={name} done={() => toast(t("password.done"))} />
      </section>
      <Sessions />
      <Factor />
      <Identities />
      <Tokens />
      <div class="row">
        <button type="button" class="button" onClick={() => void signOut()}>{t("sign.out")}</button>
      </div>
    </div>
  );
}
