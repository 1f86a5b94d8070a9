import { useMutation, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { TenantStatus } from "../api/types";
import { announce } from "../parts/announcer";
import { ConfirmDialog } from "../parts/confirm-dialog";

/** What is to be decided about a batch that is held. */
export interface Decided {
  tenant: TenantStatus;
  word: "release" | "refuse";
}

/** Asks before a batch of revocations is released or refused. */
export function DecideRevocations({ tenant, word, onClose }: Decided & { onClose: () => void }) {
  const client = useQueryClient();
  const releases = word === "release";
  const waiting = tenant.revocations?.waiting ?? 0;
  const what = `${waiting.toLocaleString()} ${waiting === 1 ? "certificate" : "certificates"}`;
  const decide = useMutation({
    mutationFn: () => {
      const params = { path: { id: tenant.id } };
      return answer(
        releases
          ? api.POST("/api/v1/admin/intune/tenants/{id}/revocations/release", { params })
          : api.POST("/api/v1/admin/intune/tenants/{id}/revocations/refuse", { params }),
      );
    },
    onSuccess: () => {
      announce(releases ? "The revocations are released." : "The revocations are refused.");
      void client.invalidateQueries({ queryKey: ["tenants"] });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      onClose={onClose}
      mutation={decide}
      danger={releases}
      action={releases ? `Revoke ${what}` : "Revoke none"}
      title={releases ? `Revoke ${what}?` : "Keep these certificates?"}
      description={
        releases ? (
          <p>
            They are revoked within a minute, and Intune is told so. That cannot be undone: their
            devices have to enroll again.
          </p>
        ) : (
          <p>None of them is revoked, and Intune is told that this server refused.</p>
        )
      }
    />
  );
}
