import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";
import { Announcer } from "./parts/announcer";
import { Gate } from "./session/gate";
import { AdminPage } from "./shell/admin-page";

/** The page's routes, for a router around them. */
export function Pages() {
  return (
    <Gate>
      <Routes>
        <Route path="/scep" element={<AdminPage />} />
        <Route path="/scep/intune" element={<AdminPage />} />
        <Route path="*" element={<Navigate to="/scep" replace />} />
      </Routes>
    </Gate>
  );
}

export function App({ client }: { client: QueryClient }) {
  return (
    <QueryClientProvider client={client}>
      {/* Filters are in the URL. As a transition, what is chosen in a field would show only after the list was drawn. */}
      <BrowserRouter useTransitions={false}>
        <Pages />
      </BrowserRouter>
      <Announcer />
    </QueryClientProvider>
  );
}
