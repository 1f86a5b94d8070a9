import type { AuthCheck } from "../api/types";
import { ToneMark } from "../parts/tone-mark";
import { Untrusted } from "../parts/untrusted";
import { SignOut } from "./sign-out";

/** For a caller who is known but not an admin. */
export function AdminRequired({ user }: { user: AuthCheck }) {
  const byToken = user.actor_type === "APIKey";
  return (
    <>
      <h1 tabIndex={-1}>SCEP Administration</h1>
      <section className="state wide" role="alert" data-tone="warn">
        <h2>
          <ToneMark tone="warn" /> Admin access required
        </h2>
        <p>
          You are signed in as <Untrusted text={user.user} />
          {byToken
            ? ", with the role viewer."
            : ", whom the identity provider gives no role of an admin here."}{" "}
          You can see this page and, by the API, the server’s version and clock; you cannot see any
          profile, device, certificate or audit event. An admin sees here:
        </p>
        <ul>
          <li>every SCEP profile, with its RA certificate's expiry and how devices authenticate</li>
          <li>Intune monitoring: trust anchors, the eleven counters and recent failures</li>
          <li>recent enrollments, issued certificates and requests that wait for approval</li>
        </ul>
        {!byToken && (
          <p>
            Ask whoever runs the identity provider for one of the roles that this server’s
            configuration lists as <code>admin.oidc.admin_roles</code>, and sign in anew.
          </p>
        )}
        <p>
          {byToken ? "Sign out" : "Or sign out"} and sign in with an admin token of this server; an
          admin makes one: <code>scepd token create --name you --role admin</code>
        </p>
        <SignOut />
      </section>
    </>
  );
}
