// SPDX-License-Identifier: Apache-2.0
// Language and light or dark.
import { language, t, type Language } from "../i18n";
import { theme, type Theme } from "../state";

export function LookSwitches() {
  const now = language.use();
  const look = theme.use();
  return (
    <div class="row wrap look">
      <select class="input" aria-label={t("language")} value={now}
        onChange={(event) => language.set(event.currentTarget.value as Language)}>
        <option value="en" lang="en">English</option>
        <option value="de" lang="de">Deutsch</option>
      </select>
      <select class="input" aria-label={t("theme")} value={look}
        onChange={(event) => theme.set(event.currentTarget.value as Theme)}>
        <option value="system">{t("theme.system")}</option>
        <option value="light">{t("theme.light")}</option>
        <option value="dark">{t("theme.dark")}</option>
      </select>
    </div>
  );
}
