// SPDX-License-Identifier: Apache-2.0
// Where one is signed in, and ending it there.
import { useState } from "preact/hooks";
import { get, remove } from "../api";
import { dateTime, t } from "../i18n";
import { Failed, FormError, Icon, Loading, useLoaded } from "./basic";

interface Session {
  id: string;
  created_ms: number;
  expires_at_s: number;
  agent: string;
  from: string;
  current: boolean;
}

/** "Firefox, Linux" for what browsers call themselves. */
export function agentText(agent: string): string {
  const browser = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"],
    ["Safari/", "Safari"]].find(([mark]) => agent.includes(mark))?.[1];
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"],
    ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark))?.[1];
  return [browser ?? (agent.split(/[ /]/)[0] || "?"), system].filter(Boolean).join(", ");
}

export function Sessions() {
  const list = useLoaded(() => get<{ items: Session[] }>("/api/sessions"), []);
  const [error, setError] = useState<unknown>(null);
  const end = async (session: Session) => {
    try {
      await remove(`/api/sessions/${session.id}`);
      list.again();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <section class="card">
      <h2>{t("sessions")}</h2>
      <FormError error={error} />
      {!list.value ? (list.error ? <Failed error={list.error} again={list.again} /> : <Loading />) : (
        <ul class="form" aria-label={t("sessions")}>
          {list.value.items.map((session) => (
            <li key={session.id} class="row wrap">
              <Icon name="device" />
              <div class="grow">
                <strong>{agentText(session.agent)}</strong>{" "}
                {session.current && <span class="badge accent">{t("sessions.this")}</span>}
                <p class="muted small">
                  {t("sessions.since", { when: dateTime(session.created_ms), from: session.from })} ·{" "}
                  {t("shares.until", { when: dateTime(session.expires_at_s * 1000) })}
                </p>
              </div>
              {!session.current && (
                <button type="button" class="button link" onClick={() => void end(session)}>{t("sign.out")}</button>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
