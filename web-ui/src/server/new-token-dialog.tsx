import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { answer, api } from "../api/client";
import { tokensQuery } from "../api/queries";
import type { NewToken, TokenCreated } from "../api/types";
import { copy } from "../parts/copy";
import { Cancel, closingOf, Dialog } from "../parts/dialog";
import { Select } from "../parts/fields";
import { Refusal } from "../parts/states";

const ROLES = [
  { value: "viewer", name: "Viewer: may sign in, sees no admin data" },
  { value: "admin", name: "Admin: everything" },
  { value: "challenge", name: "Challenges: makes challenges for devices, and nothing else" },
] as const;

const LIVES = [
  { value: "30", name: "30 days" },
  { value: "90", name: "90 days" },
  { value: "365", name: "1 year" },
  { value: "none", name: "Without end" },
] as const;

/** Makes a token and shows its secret, once. */
export function NewTokenDialog({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<NewToken["role"]>("admin");
  const [life, setLife] = useState<(typeof LIVES)[number]["value"]>("90");
  const id = useId();
  const make = useMutation({
    mutationFn: (token: NewToken) => answer(api.POST("/api/v1/admin/tokens", { body: token })),
    onSuccess: () => void client.invalidateQueries({ queryKey: tokensQuery.queryKey }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim() || make.isPending) return;
    make.mutate({
      name: name.trim(),
      role,
      ...(life === "none" ? {} : { expires_in_days: Number(life) }),
    });
  };
  if (make.data) return <Secret created={make.data} onClose={onClose} />;
  return (
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(make.isPending)}
      title="Make a token"
      description={<p>Its secret is shown once, here; the server keeps a hash of it.</p>}
    >
      <form onSubmit={submit}>
        <div className="field">
          <label htmlFor={id}>Name</label>
          <input
            id={id}
            type="text"
            required
            maxLength={64}
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </div>
        <Select label="Role" labelled options={ROLES} value={role} onChange={setRole} />
        <Select label="Ends after" labelled options={LIVES} value={life} onChange={setLife} />
        {make.isError && <Refusal error={make.error} />}
        <div className="dialog-actions">
          <Cancel onClose={onClose} busy={make.isPending} />
          <button type="submit" className="button primary" aria-disabled={make.isPending}>
            Make token
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Secret({ created, onClose }: { created: TokenCreated; onClose: () => void }) {
  return (
    <Dialog
      open
      onClose={onClose}
      closing="by button"
      title={`Token ${created.token.name}`}
      description={<p>Copy it now: it cannot be shown again.</p>}
    >
      <p>
        <code className="path block">{created.secret}</code>
      </p>
      <div className="dialog-actions">
        <button
          type="button"
          className="button"
          onClick={() => copy(created.secret, "The token was copied.")}
        >
          Copy
        </button>
        <button type="button" className="button primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
