// SPDX-License-Identifier: Apache-2.0
// A view whose code is fetched when it is first shown.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failed, Loading } from "./parts/basic";
import { Problem } from "./api";

export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let Loaded: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [, draw] = useState(0);
    const [error, setError] = useState<unknown>(null);
    const [turn, setTurn] = useState(0);
    useEffect(() => {
      if (Loaded) return;
      load().then(
        (found) => {
          Loaded = found;
          draw((n) => n + 1);
        },
        () => setError(new Problem(0, "offline", "", 0)),
      );
    }, [turn]);
    if (Loaded) return <Loaded {...props} />;
    return error ? <Failed error={error} again={() => { setError(null); setTurn((n) => n + 1); }} /> : <Loading />;
  };
}
