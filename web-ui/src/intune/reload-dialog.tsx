import { useMutation, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import { intuneQuery, profilesQuery } from "../api/queries";
import type { IntuneRow } from "../api/types";
import { profileName } from "../model/text";
import { utc } from "../model/time";
import { announce } from "../parts/announcer";
import { ConfirmDialog } from "../parts/confirm-dialog";

/** Says what a reload will do, does it, and stays open with the error when the file is bad. */
export function ReloadDialog({ row, onClose }: { row: IntuneRow; onClose: () => void }) {
  const client = useQueryClient();
  const name = profileName(row.path_id);
  const reload = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/admin/scep/intune/reload-trust", { body: { path_id: row.path_id } }),
      ),
    onSuccess: (reply) => {
      announce(`Trust anchors of ${name} were read again at ${utc(reply.reloaded_at)}.`);
      void client.invalidateQueries({ queryKey: intuneQuery.queryKey });
      void client.invalidateQueries({ queryKey: profilesQuery.queryKey });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      onClose={onClose}
      mutation={reload}
      action={reload.isPending ? "Reloading" : reload.isError ? "Try again" : "Reload"}
      refused="The file was not taken; the old anchors stay in use."
      title={`Reload trust anchor of ${name}`}
      description={
        <>
          <p>The server reads this file again:</p>
          <p>
            <code className="path block">{row.trust_anchor_path}</code>
          </p>
          <ul>
            <li>
              If the file is good, the new anchors replace the old ones in one step: every request
              sees the old pool or the new one.
            </li>
            <li>
              If it is absent, unreadable or holds an expired certificate, the old pool stays in use
              and the error is shown here.
            </li>
          </ul>
        </>
      }
    />
  );
}
