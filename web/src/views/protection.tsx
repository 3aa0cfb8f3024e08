// SPDX-License-Identifier: Apache-2.0
// "Who protects this?": what the server proves about itself, in plain words. The page was sent by
// the very server it speaks of, so it also says how to check without believing it.
import { useEffect } from "preact/hooks";
import { get, send } from "../api";
import { hexText, judge, type Evidence } from "../evidence";
import { t, type TextKey } from "../i18n";
import { Failed, Icon, Loading, useLoaded } from "../parts/basic";
import { toast } from "../parts/overlay";

interface Answer {
  runtime: boolean;
  evidence: Evidence | null;
}

async function ask(): Promise<Answer> {
  const { runtime, evidence } = await get<{ runtime: boolean; evidence: boolean }>("/api/protection");
  if (!evidence) return { runtime, evidence: null };
  const nonce = crypto.getRandomValues(new Uint8Array(64));
  const answer = await send("GET", `/api/protection/evidence?nonce=${hexText(nonce)}`);
  return { runtime, evidence: await judge(new Uint8Array(await answer.arrayBuffer()), nonce) };
}

type Tone = "good" | "warn" | "bad";

export function Protection() {
  const asked = useLoaded(ask, []);
  useEffect(() => {
    document.title = `${t("nav.protection")} · Coffer`;
  }, []);
  if (!asked.value) return asked.error ? <Failed main error={asked.error} again={asked.again} /> : <Loading />;
  const { runtime, evidence } = asked.value;
  const sound = evidence !== null && evidence.fresh && evidence.signed;
  const secure = location.protocol === "https:";
  const verdict: [Tone, TextKey, TextKey] = !runtime
    ? ["bad", "protect.none", "protect.none.text"]
    : !sound ? ["bad", "protect.unproven", "protect.unproven.text"]
      : evidence.kind === "sim" ? ["warn", "protect.sim", "protect.sim.text"]
        : ["warn", "protect.unknown", "protect.unknown.text"];
  return (
    <div class="view scroll page-view">
      <h1>{t("nav.protection")}</h1>
      <div class={`verdict ${verdict[0]}`} role="status">
        <Icon name={verdict[0] === "bad" ? "shield-off" : "shield"} />
        <div>
          <h2>{t(verdict[1])}</h2>
          <p>{t(verdict[2])}</p>
        </div>
      </div>
      <section class="card">
        <h2>{t("protect.what")}</h2>
        <ul class="claims">
          <Claim tone={runtime ? "good" : "bad"} title={t("protect.disk")} text={t(runtime ? "protect.disk.yes" : "protect.disk.no")} />
          <Claim tone={secure ? "good" : "bad"} title={t("protect.wire")}
            text={t(!secure ? "protect.wire.no" : runtime ? "protect.wire.yes" : "protect.wire.some")} />
          <Claim tone={runtime ? "warn" : "bad"} title={t("protect.memory")} text={t(runtime ? "protect.memory.sim" : "protect.memory.no")} />
          <Claim tone={runtime ? "good" : "warn"} title={t("protect.others")} text={t(runtime ? "protect.others.yes" : "protect.others.no")} />
        </ul>
      </section>
      {evidence && (
        <section class="card">
          <h2>{t("protect.evidence")}</h2>
          <ul class="claims">
            <Claim tone={evidence.fresh ? "good" : "bad"} title={t(evidence.fresh ? "protect.fresh" : "protect.stale")} text={t("protect.fresh.text")} />
            <Claim tone={evidence.signed ? "good" : "bad"} title={t(evidence.signed ? "protect.signed" : "protect.unsigned")} text={t("protect.signed.text")} />
            {evidence.debug && <Claim tone="warn" title={t("protect.debug")} text={t("protect.debug.text")} />}
          </ul>
          <dl class="prints">
            <Print name={t("protect.key")} value={evidence.key} />
            <Print name={t("protect.program")} value={evidence.program} />
            <Print name={t("protect.runtime")} value={evidence.runtime} />
            <Print name={t("protect.config")} value={evidence.config} />
          </dl>
        </section>
      )}
      <section class="card">
        <h2>{t("protect.self")}</h2>
        <p>{t("protect.self.text")}</p>
        <Command text={runtime ? `curl -u NAME -o evidence.bin ${location.origin}/api/protection/evidence\ncoffer attest show evidence.bin\nsha256sum coffer-dms coffer-runtime` : `curl -u NAME ${location.origin}/api/protection`} />
        {secure && (
          <>
            <p>{t("protect.self.certificate")}</p>
            <Command text={`openssl s_client -connect ${location.host.includes(":") ? location.host : `${location.host}:443`} -servername ${location.hostname} </dev/null | openssl x509 -noout -fingerprint -sha256`} />
          </>
        )}
      </section>
    </div>
  );
}

function Claim(p: { tone: Tone; title: string; text: string }) {
  return (
    <li class={p.tone}>
      <Icon name={p.tone === "good" ? "check" : p.tone === "warn" ? "warning" : "close"} />
      <div>
        <strong>{p.title}</strong>
        <p class="muted">{p.text}</p>
      </div>
    </li>
  );
}

function Print({ name, value }: { name: string; value: string }) {
  const none = /^0*$/.test(value);
  return (
    <div>
      <dt>{name}</dt>
      <dd>{none ? t("none") : <code>{value.match(/.{1,8}/g)?.join(" ")}</code>}</dd>
    </div>
  );
}

function Command({ text }: { text: string }) {
  return (
    <div class="command">
      <pre tabIndex={0}>{text}</pre>
      <button type="button" class="button" onClick={() => void navigator.clipboard.writeText(text).then(() => toast(t("copied")))}>
        <Icon name="copy" />
        {t("copy.text")}
      </button>
    </div>
  );
}
