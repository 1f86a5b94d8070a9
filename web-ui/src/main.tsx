import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/controls.css";
import "./styles/tables.css";
import "./styles/dialogs.css";
import "./styles/cards.css";
import "./styles/views.css";
import "./styles/forced-colors.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { keepHistory } from "./api/history-store";
import { history, makeQueryClient } from "./api/query-client";
import { App } from "./app";
import { applyTheme, storedTheme } from "./shell/theme";

applyTheme(storedTheme());
keepHistory(history);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App client={makeQueryClient()} />
    </StrictMode>,
  );
}
