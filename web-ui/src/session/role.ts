import type { AuthCheck } from "../api/types";

/**
 * The caller's role as far as the server tells it. Tokens of scepd have one of two; of a user of the OIDC provider it
 * tells only whether they are an admin, and they may well have no role at all.
 */
export function roleWords({ admin, actor_type }: AuthCheck): string {
  if (admin) return "Role: admin";
  return actor_type === "APIKey" ? "Role: viewer" : "Without the admin role";
}
