import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import { profilesQuery } from "../api/queries";
import { profileName } from "../model/text";
import { profileOf } from "../model/url";
import { Select } from "./fields";

const ALL = "all";

/** Chooses the profile in the URL. The options, perhaps a thousand, come when they are wanted. */
export function ProfileSelect({ only }: { only?: (pathId: string) => boolean }) {
  const [params, setParams] = useSearchParams();
  const chosen = profileOf(params);
  const [wanted, setWanted] = useState(false);
  const profiles = useQuery({ ...profilesQuery, refetchInterval: false, enabled: wanted });
  const options = useMemo(() => {
    const known = wanted ? (profiles.data?.profiles ?? []) : [];
    const paths = known.map((profile) => profile.path_id);
    const shown = only ? paths.filter(only) : paths;
    if (chosen !== undefined && !shown.includes(chosen)) shown.push(chosen);
    return [
      { value: ALL, name: "All profiles" },
      ...shown.map((path) => ({ value: `=${path}`, name: profileName(path) })),
    ];
  }, [wanted, profiles.data, only, chosen]);
  return (
    <Select
      label="Profile"
      value={chosen === undefined ? ALL : `=${chosen}`}
      options={options}
      onWant={() => setWanted(true)}
      onChange={(value) => {
        const next = new URLSearchParams(params);
        if (value === ALL) next.delete("profile");
        else next.set("profile", value.slice(1));
        setParams(next);
      }}
    />
  );
}
