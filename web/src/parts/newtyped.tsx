// SPDX-License-Identifier: Apache-2.0
// A document that has a type of one's own from the start: the type, what it asks for, and the file.
import { useState } from "preact/hooks";
import { act } from "../cmis";
import { t } from "../i18n";
import { changed } from "../state";
import { outputOf, propertiesOf, typesBelow, type TypeDefinition } from "../typed";
import { Empty, Failed, FormError, Loading, useLoaded } from "./basic";
import { Dialog, show, toast } from "./overlay";
import { Editor } from "./typed";

export const newTypedAsk = (folder: string) => show((close) => <NewTyped folder={folder} close={close} />);

function NewTyped({ folder, close }: { folder: string; close: () => void }) {
  const types = useLoaded((signal) => typesBelow("cmis:document", signal), []);
  const possible = types.value?.filter((type) => type.creatable);
  return (
    <Dialog title={t("upload.typed")} onClose={close} wide>
      {!possible ? (types.error ? <Failed error={types.error} again={types.again} /> : <Loading />)
        : possible.length === 0 ? <Empty icon="tag" title={t("types.none")}><p>{t("upload.typed.none")}</p></Empty>
          : <Form folder={folder} types={possible} close={close} />}
    </Dialog>
  );
}

function Form({ folder, types, close }: { folder: string; types: TypeDefinition[]; close: () => void }) {
  const [id, setId] = useState(types[0]!.id);
  const [file, setFile] = useState<File | null>(null);
  const [texts, setTexts] = useState<Record<string, string[]>>({});
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const type = types.find((one) => one.id === id)!;
  const asked = propertiesOf([type]).filter((one) => one.updatability === "readwrite" || one.updatability === "oncreate");
  const textsOf = (property: string) => texts[property] ?? [];
  const submit = async (event: Event) => {
    event.preventDefault();
    const name = file!.name.normalize("NFC");
    const fields: Record<string, string> = folder === "root" ? {} : { objectId: folder };
    let at = 0;
    const put = (property: string, all: string[], multi = false) => {
      fields[`propertyId[${at}]`] = property;
      all.forEach((value, i) => (fields[`propertyValue[${at}]${multi ? `[${i}]` : ""}`] = value));
      at++;
    };
    put("cmis:name", [name]);
    put("cmis:objectTypeId", [id]);
    for (const one of asked) {
      const all = textsOf(one.id).filter((text) => text !== "").map((text) => outputOf(one, text));
      if (all.length) put(one.id, all, one.cardinality === "multi");
    }
    setBusy(true);
    try {
      await act("createDocument", fields, file!);
      changed();
      close();
      toast(t("upload.typed.done", { name }));
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <form class="form" onSubmit={submit}>
      <label class="field">
        <span>{t("upload.typed.file")}</span>
        <input class="input" type="file" data-first required onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)} />
      </label>
      <label class="field">
        <span>{t("upload.typed.type")}</span>
        <select class="input" value={id} onChange={(event) => setId(event.currentTarget.value)}>
          {types.map((one) => <option key={one.id} value={one.id}>{one.displayName}</option>)}
        </select>
      </label>
      {asked.map((one) => (
        <Editor key={one.id} definition={one} texts={textsOf(one.id)} set={(next) => setTexts({ ...texts, [one.id]: next })} />
      ))}
      <FormError error={error} />
      <footer>
        <button type="button" class="button" onClick={close}>{t("cancel")}</button>
        <button class="button primary" disabled={busy}>{t("upload")}</button>
      </footer>
    </form>
  );
}
