// SPDX-License-Identifier: Apache-2.0
// The properties that a document has by its type, and the types that can be given to it beside.
import { useEffect, useState } from "preact/hooks";
import type { Node } from "../api";
import { act, properties, type Properties } from "../cmis";
import { t } from "../i18n";
import { changed } from "../state";
import {
  choicesOf, inputOf, outputOf, propertiesOf, typeOf, typesBelow, valueText,
  type PropertyDefinition, type TypeDefinition, type Value,
} from "../typed";
import { FormError, Icon, IconButton, useLoaded } from "./basic";

const SECONDARY = "cmis:secondaryObjectTypeIds";
const listOf = (values: Properties, id: string): Value[] => {
  const value = values[id];
  return value === null || value === undefined ? [] : Array.isArray(value) ? value : [value];
};

interface Facts {
  values: Properties;
  own: TypeDefinition | null;
  secondary: TypeDefinition[];
}
async function factsOf(id: string, signal: AbortSignal): Promise<Facts> {
  const [values, secondary] = await Promise.all([properties(id), typesBelow("cmis:secondary", signal)]);
  const type = String(values["cmis:objectTypeId"]);
  return { values, secondary, own: type === "cmis:document" ? null : await typeOf(type, signal) };
}

export function Typed({ node }: { node: Node }) {
  const facts = useLoaded((signal) => factsOf(node.id, signal), [node.id, node.modified_ms]);
  const [editing, setEditing] = useState(false);
  useEffect(() => setEditing(false), [node.id]);
  if (!facts.value || (!facts.value.own && facts.value.secondary.length === 0)) return null;
  const { values, own, secondary } = facts.value;
  const given = secondary.filter((type) => listOf(values, SECONDARY).includes(type.id));
  const types = own ? [own, ...given] : given;
  const shown = propertiesOf(types).filter((one) => listOf(values, one.id).length > 0);
  return (
    <section class="block">
      <div class="row">
        <h2 class="grow">{t("typed")}</h2>
        {!editing && (
          <button type="button" class="button link" aria-label={t("typed.edit")} onClick={() => setEditing(true)}>{t("edit")}</button>
        )}
      </div>
      {editing ? (
        <TypedForm node={node} facts={facts.value} given={given.map((type) => type.id)} close={() => setEditing(false)}
          done={() => {
            setEditing(false);
            facts.again();
            changed();
          }} />
      ) : (
        <>
          {types.length > 0 ? (
            <ul class="row wrap" aria-label={t("typed")}>
              {types.map((type) => <li key={type.id}><span class="badge accent">{type.displayName}</span></li>)}
            </ul>
          ) : <p class="muted">{t("typed.none")}</p>}
          {shown.length > 0 && (
            <dl class="facts">
              {shown.map((one) => (
                <div key={one.id}>
                  <dt>{one.displayName}</dt>
                  <dd>{listOf(values, one.id).map((value) => valueText(one, value)).join(", ")}</dd>
                </div>
              ))}
            </dl>
          )}
        </>
      )}
    </section>
  );
}

function TypedForm(p: { node: Node; facts: Facts; given: string[]; close: () => void; done: () => void }) {
  const { values, own, secondary } = p.facts;
  const [given, setGiven] = useState(p.given);
  const [texts, setTexts] = useState<Record<string, string[]>>({});
  const [error, setError] = useState<unknown>(null);
  const types = [...(own ? [own] : []), ...secondary.filter((type) => given.includes(type.id))];
  const editable = propertiesOf(types).filter((one) => one.updatability === "readwrite");
  const textsOf = (one: PropertyDefinition) => texts[one.id] ?? listOf(values, one.id).map((value) => inputOf(one, value));
  const save = async (event: Event) => {
    event.preventDefault();
    const fields: Record<string, string> = { objectId: p.node.id, changeToken: String(values["cmis:changeToken"]) };
    let at = 0;
    const put = (id: string, multi: boolean, all: string[]) => {
      fields[`propertyId[${at}]`] = id;
      all.forEach((value, i) => (fields[`propertyValue[${at}]${multi ? `[${i}]` : ""}`] = value));
      at++;
    };
    const others = listOf(values, SECONDARY).map(String).filter((id) => !secondary.some((type) => type.id === id));
    put(SECONDARY, true, [...others, ...given]);
    for (const one of editable.filter(({ id }) => texts[id])) // what was not touched stays as exact as it is
      put(one.id, one.cardinality === "multi", textsOf(one).filter((text) => text !== "").map((text) => outputOf(one, text)));
    try {
      await act("update", fields);
      p.done();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form class="form" onSubmit={save}>
      {secondary.length > 0 && (
        <fieldset class="field">
          <legend>{t("typed.given")}</legend>
          {secondary.map((type) => (
            <label key={type.id} class="check" title={type.description}>
              <input type="checkbox" checked={given.includes(type.id)}
                onChange={(event) => setGiven(event.currentTarget.checked ? [...given, type.id] : given.filter((id) => id !== type.id))} />
              <span>{type.displayName}</span>
            </label>
          ))}
        </fieldset>
      )}
      {editable.map((one) => (
        <Editor key={one.id} definition={one} texts={textsOf(one)} set={(next) => setTexts({ ...texts, [one.id]: next })} />
      ))}
      <FormError error={error} />
      <div class="row end">
        <button type="button" class="button" onClick={p.close}>{t("cancel")}</button>
        <button class="button primary">{t("save")}</button>
      </div>
    </form>
  );
}

/** One property: a line for each value, or boxes to check where there are only some. */
export function Editor(p: { definition: PropertyDefinition; texts: string[]; set: (texts: string[]) => void }) {
  const { definition: one, texts, set } = p;
  const multi = one.cardinality === "multi";
  const choices = choicesOf(one.choice);
  const closed = choices.length > 0 && !one.openChoice;
  const label = one.required ? t("typed.required", { name: one.displayName }) : one.displayName;
  if (multi && closed)
    return (
      <fieldset class="field">
        <legend>{label}</legend>
        {choices.map((choice) => (
          <label key={choice.value} class="check">
            <input type="checkbox" checked={texts.includes(choice.value)} required={one.required && texts.length === 0}
              onChange={(event) => set(event.currentTarget.checked ? [...texts, choice.value] : texts.filter((text) => text !== choice.value))} />
            <span>{choice.name}</span>
          </label>
        ))}
      </fieldset>
    );
  if (!multi)
    return (
      <label class="field">
        <span>{label}</span>
        <Input definition={one} closed={closed} text={texts[0] ?? ""} set={(text) => set([text])} />
      </label>
    );
  const lines = texts.length ? texts : [""];
  return (
    <fieldset class="field">
      <legend>{label}</legend>
      {lines.map((text, i) => (
        <div class="row" key={i}>
          <Input definition={one} closed={closed} text={text} label={`${one.displayName} ${i + 1}`} first={i === 0}
            set={(next) => set(lines.map((line, at) => (at === i ? next : line)))} />
          <IconButton icon="close" label={t("access.remove", { name: `${one.displayName} ${i + 1}` })}
            onClick={() => set(lines.filter((_, at) => at !== i))} />
        </div>
      ))}
      <button type="button" class="button quiet" aria-label={t("typed.more", { name: one.displayName })} onClick={() => set([...lines, ""])}>
        <Icon name="plus" />
        {t("add")}
      </button>
    </fieldset>
  );
}

function Input(p: {
  definition: PropertyDefinition;
  closed: boolean;
  text: string;
  label?: string;
  first?: boolean;
  set: (text: string) => void;
}) {
  const one = p.definition;
  const choices = choicesOf(one.choice);
  const required = one.required && p.first !== false;
  const list = choices.length && !p.closed ? `c-${one.id}` : undefined;
  const kind = one.propertyType;
  if (p.closed || kind === "boolean")
    return (
      <select class="input" aria-label={p.label} required={required} value={p.text} onChange={(event) => p.set(event.currentTarget.value)}>
        <option value="">–</option>
        {(p.closed ? choices : [{ value: "true", name: t("yes") }, { value: "false", name: t("no") }])
          .map((choice) => <option key={choice.value} value={choice.value}>{choice.name}</option>)}
      </select>
    );
  if (kind === "html")
    return <textarea class="input" aria-label={p.label} required={required} value={p.text} onInput={(event) => p.set(event.currentTarget.value)} />;
  const numeric = kind === "integer" || kind === "decimal";
  return (
    <>
      <input class="input grow" aria-label={p.label} required={required} value={p.text} list={list} autocomplete="off"
        type={numeric ? "number" : kind === "datetime" ? "datetime-local" : "text"}
        step={kind === "decimal" ? "any" : 1} min={numeric ? one.minValue : undefined} max={numeric ? one.maxValue : undefined}
        maxLength={one.maxLength} onInput={(event) => p.set(event.currentTarget.value)} />
      {list && <datalist id={list}>{choices.map((choice) => <option key={choice.value} value={choice.value}>{choice.name}</option>)}</datalist>}
    </>
  );
}
