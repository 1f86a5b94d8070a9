import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { answer, api } from "../api/client";
import type { ChallengeCreated, NewChallenge } from "../api/types";
import { profileName } from "../model/text";
import { copy } from "../parts/copy";
import { Cancel, closingOf, Dialog } from "../parts/dialog";
import { Select } from "../parts/fields";
import { ErrorWords } from "../parts/states";
import { ToneMark } from "../parts/tone-mark";
import { Ago } from "../parts/when";

interface NewChallengeDialogProps {
  /** The profiles that take challenges made for one device. */
  paths: readonly string[];
  chosen: string | undefined;
  onClose: () => void;
}

/** Makes a challenge and shows it, once. */
export function NewChallengeDialog({ paths, chosen, onClose }: NewChallengeDialogProps) {
  const client = useQueryClient();
  const [profile, setProfile] = useState(chosen ?? paths[0] ?? "");
  const [device, setDevice] = useState("");
  const [uses, setUses] = useState("1");
  const [note, setNote] = useState("");
  const id = useId();
  const make = useMutation({
    mutationFn: (wanted: NewChallenge) => answer(api.POST("/api/v1/challenges", { body: wanted })),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["challenges"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (make.isPending) return;
    make.mutate({
      profile,
      uses: Number(uses),
      ...(device.trim() ? { device: device.trim() } : {}),
      ...(note.trim() ? { note: note.trim() } : {}),
    });
  };
  if (make.data) return <Value created={make.data} onClose={onClose} />;
  return (
    <Dialog
      open
      onClose={onClose}
      closing={closingOf(make.isPending, device + note)}
      title="Make a challenge"
      description={<p>It is shown once, here; the server keeps a digest of it.</p>}
    >
      <form onSubmit={submit}>
        <Select
          label="Profile"
          labelled
          options={paths.map((path) => ({ value: path, name: profileName(path) }))}
          value={profile}
          onChange={setProfile}
        />
        <div className="field">
          <label htmlFor={`${id}-device`}>Device</label>
          <input
            id={`${id}-device`}
            type="text"
            maxLength={256}
            autoComplete="off"
            value={device}
            aria-describedby={`${id}-hint`}
            onChange={(event) => setDevice(event.target.value)}
          />
          <p className="hint" id={`${id}-hint`}>
            A common name, serial number or alternative name that the request must have. Empty: any
            device.
          </p>
        </div>
        <div className="field">
          <label htmlFor={`${id}-uses`}>Certificates that it is good for</label>
          <input
            id={`${id}-uses`}
            type="number"
            required
            min={1}
            max={1000}
            value={uses}
            onChange={(event) => setUses(event.target.value)}
          />
        </div>
        <div className="field">
          <label htmlFor={`${id}-note`}>Note for the audit</label>
          <input
            id={`${id}-note`}
            type="text"
            maxLength={1000}
            autoComplete="off"
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
        </div>
        {make.isError && (
          <div className="notice" role="alert" data-tone="bad">
            <ToneMark tone="bad" />
            <p>
              <ErrorWords error={make.error} />
            </p>
          </div>
        )}
        <div className="dialog-actions">
          <Cancel onClose={onClose} busy={make.isPending} />
          <button type="submit" className="button primary" aria-disabled={make.isPending}>
            Make challenge
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Value({ created, onClose }: { created: ChallengeCreated; onClose: () => void }) {
  return (
    <Dialog
      open
      onClose={onClose}
      closing="by button"
      title="The challenge"
      description={
        <p>
          Copy it now: it cannot be shown again. It ends <Ago time={created.details.expires_at} />.
        </p>
      }
    >
      <p>
        <code className="path block">{created.challenge}</code>
      </p>
      <div className="dialog-actions">
        <button
          type="button"
          className="button"
          onClick={() => copy(created.challenge, "The challenge was copied.")}
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
