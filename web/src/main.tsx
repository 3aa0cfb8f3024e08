// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import { App } from "./app";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/layout.css";
import "./styles/items.css";
import "./styles/views.css";

render(<App />, document.getElementById("app") as HTMLElement);
