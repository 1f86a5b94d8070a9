import { ToneMark } from "../parts/tone-mark";
import { Untrusted } from "../parts/untrusted";
import { SignOut } from "./sign-out";

/** For a caller who is known but not an admin. */
export function AdminRequired({ user }: { user: string }) {
  return (
    <>
      <h1 tabIndex={-1}>SCEP Administration</h1>
      <section className="state wide" role="alert" data-tone="warn">
        <h2>
          <ToneMark tone="warn" /> Admin access required
        </h2>
        <p>
          You are signed in as <Untrusted text={user} />, whose role is not admin. With an admin
          token this page shows:
        </p>
        <ul>
          <li>every SCEP profile, with its RA certificate's expiry and how devices authenticate</li>
          <li>Intune monitoring: trust anchors, the eleven counters and recent failures</li>
          <li>recent enrollments, issued certificates and requests that wait for approval</li>
        </ul>
        <p>
          Sign out and sign in with an admin token, or ask an admin to make you one:{" "}
          <code>scepd token create --name you --role admin</code>
        </p>
        <SignOut />
      </section>
    </>
  );
}
