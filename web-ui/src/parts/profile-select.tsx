import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { profilesQuery } from "../api/queries";
import { profileName } from "../model/text";
import { profileOf } from "../model/url";
import { Select } from "./fields";

const ALL = "all";

/** Chooses the profile in the URL. */
export function ProfileSelect({ only }: { only?: (pathId: string) => boolean }) {
  const [params, setParams] = useSearchParams();
  const chosen = profileOf(params);
  const profiles = useQuery({ ...profilesQuery, refetchInterval: false });
  const options = useMemo(() => {
    const paths = (profiles.data?.profiles ?? []).map((profile) => profile.path_id);
    const shown = only ? paths.filter(only) : paths;
    if (chosen !== undefined && !shown.includes(chosen)) shown.push(chosen);
    return [
      { value: ALL, name: "All profiles" },
      ...shown.map((path) => ({ value: `=${path}`, name: profileName(path) })),
    ];
  }, [profiles.data, only, chosen]);
  return (
    <Select
      label="Profile"
      value={chosen === undefined ? ALL : `=${chosen}`}
      options={options}
      onChange={(value) => {
        const next = new URLSearchParams(params);
        if (value === ALL) next.delete("profile");
        else next.set("profile", value.slice(1));
        setParams(next);
      }}
    />
  );
}
