import { memo } from "react";
import { Link } from "react-router";
import type { Profile } from "../api/types";
import { anchorsTone } from "../model/anchors";
import { profileName, profileUrl } from "../model/text";
import { expiryTone } from "../model/tone";
import { searchFor } from "../model/url";
import { AnchorCountdown } from "../parts/anchor-countdown";
import { Badge, Countdown } from "../parts/badge";
import { Fact, Facts } from "../parts/facts";
import { useFocusHeir } from "../parts/focus";
import { Next } from "../parts/next";
import { Ruler } from "../parts/ruler";
import { Untrusted } from "../parts/untrusted";
import { Day } from "../parts/when";
import { lacksChallenge, takesIntune } from "./attention";
import { enrollments, IssuerBadge, IssuerNext } from "./issuer-state";

/** One SCEP profile. */
export const ProfileCard = memo(function ProfileCard({ profile }: { profile: Profile }) {
  const heir = useFocusHeir<HTMLElement>();
  const name = profileName(profile.path_id);
  const heading = `profile-${profile.path_id || "root"}`;
  return (
    <article className="card" aria-labelledby={heading} ref={heir}>
      <header className="card-head">
        <h2 id={heading} className="profile-name">
          {name}
        </h2>
        <p className="card-sub">
          <code>{profileUrl(profile.path_id)}</code>
        </p>
      </header>

      <div className="ra">
        <div className="ra-head">
          <span className="label">RA certificate</span>
          <Countdown
            days={profile.ra_cert_days_to_expiry}
            expired={profile.ra_cert_expired}
            notAfter={profile.ra_cert_not_after}
          />
        </div>
        <p className="ra-subject clip">
          <Untrusted text={profile.ra_cert_subject} none="no common name" />
        </p>
        <Ruler
          notBefore={profile.ra_cert_not_before}
          notAfter={profile.ra_cert_not_after}
          days={profile.ra_cert_days_to_expiry}
          expired={profile.ra_cert_expired}
          now={profile.generated_at}
        />
        <p className="ra-dates">
          <Day time={profile.ra_cert_not_before} />
          <Day time={profile.ra_cert_not_after} />
        </p>
      </div>

      <Facts>
        <Fact name="Issuer">
          <span className="badges">
            <Untrusted text={profile.issuer_id} />
            {profile.issuer && <IssuerBadge issuer={profile.issuer} />}
          </span>
        </Fact>
        {profile.issuer && (
          <Fact name="Issuer's kind">
            <Untrusted text={profile.issuer.kind} />
            {!profile.issuer.revokes && ", cannot be asked to revoke"}
          </Fact>
        )}
        {profile.issuer && (
          <Fact name="Waiting for issuer">{enrollments(profile.issuer.waiting)}</Fact>
        )}
        <Fact name="Challenge password">
          <ChallengeBadge profile={profile} />
        </Fact>
        <Fact name="mTLS">
          <Badge tone={profile.mtls_enabled ? "good" : "quiet"}>
            {profile.mtls_enabled ? "On" : "Off"}
          </Badge>
        </Fact>
        {profile.mtls_trust_bundle_path && (
          <Fact name="mTLS bundle">
            <code className="path">{profile.mtls_trust_bundle_path}</code>
          </Fact>
        )}
        <Fact name="Intune">
          <span className="badges">
            <Badge tone={takesIntune(profile) ? "good" : "quiet"}>
              {takesIntune(profile) ? "On" : "Off"}
            </Badge>
            {profile.intune && <AnchorCountdown anchors={profile.intune.trust_anchors ?? []} />}
          </span>
        </Fact>
        {(profile.intune_tenants ?? []).length > 0 && (
          <Fact name="Intune tenants">{profile.intune_tenants?.join(", ")}</Fact>
        )}
      </Facts>
      <NextSteps profile={profile} />

      <footer className="card-foot">
        {takesIntune(profile) && (
          <Link
            className="link"
            to={{ pathname: "/scep", search: searchFor("intune", profile.path_id) }}
          >
            View Intune details<span className="visually-hidden"> of {name}</span>
          </Link>
        )}
        <Link
          className="link"
          to={{ pathname: "/scep", search: searchFor("activity", profile.path_id) }}
        >
          Activity<span className="visually-hidden"> of {name}</span>
        </Link>
        <Link
          className="link"
          to={{ pathname: "/scep", search: searchFor("certificates", profile.path_id) }}
        >
          Certificates<span className="visually-hidden"> of {name}</span>
        </Link>
      </footer>
    </article>
  );
});

/** What to do about each badge that is not good. */
function NextSteps({ profile }: { profile: Profile }) {
  const { intune } = profile;
  const ra = expiryTone(profile.ra_cert_days_to_expiry, profile.ra_cert_expired);
  return (
    <>
      {ra !== "good" && (
        <Next>
          Put a new RA certificate and key in place of the old files and reload; with{" "}
          <code>ra = "auto"</code> the server renews it, so see its log.
        </Next>
      )}
      <IssuerNext profile={profile} />
      {intune && anchorsTone(intune.trust_anchors ?? []) !== "good" && (
        <Next>
          Put the connector's certificate into{" "}
          <code className="path">{intune.trust_anchor_path}</code> and reload the trust anchor from
          the Intune details.
        </Next>
      )}
      {lacksChallenge(profile) && (
        <Next>
          Set <code>challenge_password_file</code> in the profile, or turn Intune on, then reload.
        </Next>
      )}
    </>
  );
}

function ChallengeBadge({ profile }: { profile: Profile }) {
  if (profile.challenge_password_set) return <Badge tone="good">Set</Badge>;
  return takesIntune(profile) ? (
    <Badge tone="warn" title="Devices enroll with Intune challenges only">
      MISSING
    </Badge>
  ) : (
    <Badge tone="bad" title="No device can authenticate with a challenge">
      MISSING
    </Badge>
  );
}
