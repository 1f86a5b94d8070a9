import { useMutation, useQueryClient } from "@tanstack/react-query";
import { signOut } from "../api/client";
import { authQuery } from "../api/queries";
import { forgetData } from "../api/query-client";
import { announce } from "../parts/announcer";

export function SignOut() {
  const client = useQueryClient();
  const leave = useMutation({
    mutationKey: ["sign-out"],
    mutationFn: signOut,
    onSuccess: () => {
      forgetData(client);
      client.setQueryData(authQuery.queryKey, null);
    },
    onError: (error) => announce(`Signing out failed: ${error.message}`),
  });
  return (
    <button type="button" className="button small" onClick={() => leave.mutate()}>
      Sign out
    </button>
  );
}
