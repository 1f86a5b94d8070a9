import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../api/client";
import { tokensQuery } from "../api/queries";
import type { Token } from "../api/types";
import { announce } from "../parts/announcer";
import { Badge } from "../parts/badge";
import { ConfirmDialog } from "../parts/confirm-dialog";
import { useFocusHeir } from "../parts/focus";
import { ProfileName } from "../parts/links";
import { Empty, QueryStates } from "../parts/states";
import { Untrusted } from "../parts/untrusted";
import { Ago, Day } from "../parts/when";
import { NewTokenDialog } from "./new-token-dialog";

/** The tokens that open this API. */
export function Tokens() {
  const query = useQuery(tokensQuery);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Token>();
  return (
    <section className="section" aria-labelledby="tokens">
      <div className="toolbar">
        <h2 id="tokens" tabIndex={-1} data-home>
          Tokens
        </h2>
        <button type="button" className="button small" onClick={() => setMaking(true)}>
          Make a token
        </button>
      </div>
      <QueryStates query={query} what="Tokens">
        {({ tokens }) =>
          tokens.length === 0 ? (
            <Empty title="No token">
              <p>Make one for each person and program that uses this API.</p>
            </Empty>
          ) : (
            <TokenTable tokens={tokens} now={query.dataUpdatedAt} onRevoke={setRevoking} />
          )
        }
      </QueryStates>
      {making && <NewTokenDialog onClose={() => setMaking(false)} />}
      {revoking && <RevokeToken token={revoking} onClose={() => setRevoking(undefined)} />}
    </section>
  );
}

const ROLE_NAMES = { admin: "Admin", viewer: "Viewer", challenge: "Challenges" } as const;

interface TokenTableProps {
  tokens: readonly Token[];
  /** When the list came, in milliseconds since 1970. */
  now: number;
  onRevoke: (token: Token) => void;
}

function TokenTable({ tokens, now, onRevoke }: TokenTableProps) {
  return (
    <div className="table-frame">
      <table className="tokens stacks">
        <caption className="visually-hidden">Tokens</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Role</th>
            <th scope="col">Made</th>
            <th scope="col">Last used</th>
            <th scope="col">Ends</th>
            <th scope="col">Status</th>
            <th scope="col">
              <span className="visually-hidden">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => (
            <tr key={token.id}>
              <td className="clip whole">
                <Untrusted text={token.name} />
              </td>
              <td>
                {ROLE_NAMES[token.role]}
                {token.profile !== undefined && (
                  <>
                    {" "}
                    of <ProfileName pathId={token.profile} />
                  </>
                )}
              </td>
              <td data-label="Made">
                <Day time={token.created_at} />
              </td>
              <td data-label="Last used">
                {token.last_used_at ? <Ago time={token.last_used_at} /> : "never"}
              </td>
              <td data-label="Ends">
                {token.expires_at ? <Day time={token.expires_at} /> : "never"}
              </td>
              <td>
                <Standing token={token} now={now} />
              </td>
              <td>{!token.revoked_at && <RevokeButton token={token} onRevoke={onRevoke} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Standing({ token, now }: { token: Token; now: number }) {
  if (token.revoked_at) return <Badge tone="quiet">Revoked</Badge>;
  if (token.expires_at && Date.parse(token.expires_at) <= now) {
    return <Badge tone="expired">Ended</Badge>;
  }
  return <Badge tone="good">Active</Badge>;
}

interface RevokeButtonProps {
  token: Token;
  onRevoke: (token: Token) => void;
}

function RevokeButton({ token, onRevoke }: RevokeButtonProps) {
  const heir = useFocusHeir<HTMLButtonElement>();
  return (
    <button ref={heir} type="button" className="button small plain" onClick={() => onRevoke(token)}>
      Revoke<span className="visually-hidden"> {token.name}</span>
    </button>
  );
}

function RevokeToken({ token, onClose }: { token: Token; onClose: () => void }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () =>
      answer(api.DELETE("/api/v1/admin/tokens/{id}", { params: { path: { id: token.id } } })),
    onSuccess: () => {
      announce(`Token ${token.name} is revoked.`);
      void client.invalidateQueries({ queryKey: tokensQuery.queryKey });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      onClose={onClose}
      mutation={revoke}
      action="Revoke token"
      danger
      title="Revoke this token?"
      description={
        <p>
          <strong>
            <Untrusted text={token.name} />
          </strong>{" "}
          and every session made with it end at once.
        </p>
      }
    />
  );
}
