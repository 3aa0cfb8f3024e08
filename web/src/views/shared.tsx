// SPDX-License-Identifier: Apache-2.0
// All links one has given away.
import { useEffect, useState } from "preact/hooks";
import { all, get, remove, type Node } from "../api";
import { t } from "../i18n";
import { Empty, Failed, FormError, Loading, useLoaded } from "../parts/basic";
import { toast } from "../parts/overlay";
import { ShareFacts, type Share } from "../parts/sharing";

export function Shared() {
  const [error, setError] = useState<unknown>(null);
  const list = useLoaded(async () => {
    const shares = await all<Share>("/api/shares");
    const ids = [...new Set(shares.map((share) => share.document))];
    const names = new Map(
      await Promise.all(ids.map(async (id): Promise<[string, string]> =>
        [id, await get<Node>(`/api/documents/${id}`).then((node) => node.name, () => "")])),
    );
    return shares.map((share) => ({ share, name: names.get(share.document) ?? "" }));
  }, []);
  useEffect(() => {
    document.title = `${t("nav.shared")} · Coffer`;
  }, []);
  const end = async (share: Share) => {
    try {
      await remove(`/api/shares/${share.id}`);
      list.again();
      toast(t("shares.removed"));
    } catch (problem) {
      setError(problem);
    }
  };
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  return (
    <div class="view scroll page-view">
      <h1>{t("nav.shared")}</h1>
      <FormError error={error} />
      {list.value.length === 0 ? (
        <Empty icon="link" title={t("shares.none")}>
          <p>{t("shares.none.help")}</p>
        </Empty>
      ) : (
        <section class="card table-scroll">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{t("document")}</th>
                <th scope="col">{t("shares.state")}</th>
                <th scope="col">{t("user")}</th>
                <th scope="col"><span class="hidden">{t("actions")}</span></th>
              </tr>
            </thead>
            <tbody>
              {list.value.map(({ share, name }) => (
                <tr key={share.id}>
                  <td>{name ? <a href={`/app/document/${share.document}`}>{name}</a> : <span class="muted">{t("shares.gone")}</span>}</td>
                  <td><ShareFacts share={share} /></td>
                  <td>{share.user}</td>
                  <td class="actions">
                    <button type="button" class="button link" onClick={() => void end(share)}>{t("shares.remove")}</button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </div>
  );
}
