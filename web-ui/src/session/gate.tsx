import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { authQuery } from "../api/queries";
import { Failure, Loading } from "../parts/states";
import { Header } from "../shell/header";
import { AdminRequired } from "./admin-required";
import { SignIn } from "./sign-in";

/**
 * Lets only admins through: what is inside is not rendered, so sends nothing, for anyone else.
 */
export function Gate({ children }: { children: ReactNode }) {
  const auth = useQuery(authQuery);
  const user = auth.data ?? null;
  const main = useRef<HTMLElement>(null);
  // Signing in or out puts another page in place of the one that had the focus: it begins at its
  // heading. A page that was just loaded leaves the focus to the browser.
  const who = auth.data === undefined ? undefined : (user?.user ?? null);
  const before = useRef(who);
  useEffect(() => {
    if (before.current !== undefined && before.current !== who) {
      main.current?.querySelector("h1")?.focus();
    }
    before.current = who;
  }, [who]);
  return (
    <>
      <Header user={user} />
      <main id="main" className="page" tabIndex={-1} ref={main}>
        {auth.isPending ? (
          <Loading what="your session" rows={1} />
        ) : auth.data === undefined ? (
          <Failure what="Your session" error={auth.error} onRetry={() => void auth.refetch()} />
        ) : user === null ? (
          <SignIn />
        ) : user.admin ? (
          children
        ) : (
          <AdminRequired user={user} />
        )}
      </main>
    </>
  );
}
