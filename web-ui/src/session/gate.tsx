import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
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
  return (
    <>
      <Header user={user} />
      <main id="main" className="page" tabIndex={-1}>
        {auth.isPending ? (
          <Loading what="your session" rows={1} />
        ) : auth.data === undefined ? (
          <Failure what="Your session" error={auth.error} onRetry={() => void auth.refetch()} />
        ) : user === null ? (
          <SignIn />
        ) : user.admin ? (
          children
        ) : (
          <AdminRequired user={user.user} />
        )}
      </main>
    </>
  );
}
