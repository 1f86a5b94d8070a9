import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { isSignedOut, signIn } from "../api/client";
import { authQuery } from "../api/queries";
import { sessionEnded } from "../api/query-client";
import type { AuthCheck } from "../api/types";
import { ErrorWords } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";

export function SignIn() {
  const client = useQueryClient();
  const [token, setToken] = useState("");
  const id = useId();
  const enter = useMutation({
    mutationKey: ["sign-in"],
    mutationFn: signIn,
    onSuccess: ({ user, admin, actor_type }) => {
      const known: AuthCheck = { status: "authenticated", user, admin, actor_type };
      client.setQueryData(authQuery.queryKey, known);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim()) enter.mutate(token.trim());
  };
  const wrong = isSignedOut(enter.error);
  return (
    <form className="sign-in" onSubmit={submit}>
      <h1 tabIndex={-1}>SCEP Administration</h1>
      {sessionEnded(client) && !enter.error && (
        <p className="notice" role="status" data-tone="warn">
          <ToneMark tone="warn" /> Your session ended. Sign in again.
        </p>
      )}
      <div className="field">
        <label htmlFor={id}>Admin token</label>
        <input
          id={id}
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          required
          value={token}
          aria-describedby={`${id}-hint`}
          aria-invalid={wrong}
          onChange={(event) => setToken(event.target.value)}
        />
        <p className="hint" id={`${id}-hint`}>
          Make one on the server with <code>scepd token create --name you --role admin</code>. A
          server that quickstart set up has one in the file that <code>quickstart.json</code> names
          as <code>admin_token_file</code>.
        </p>
      </div>
      <button type="submit" className="button primary" aria-disabled={enter.isPending}>
        {enter.isPending ? "Signing in" : "Sign in"}
      </button>
      {enter.error && (
        <p className="notice" role="alert" data-tone="bad">
          <ToneMark tone="bad" />
          {wrong ? (
            <span>
              This token is not valid: it is mistyped, revoked or past its end. Check it and try
              again.
            </span>
          ) : (
            <span>
              <ErrorWords error={enter.error} />
            </span>
          )}
        </p>
      )}
    </form>
  );
}
