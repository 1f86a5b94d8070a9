//! `scepd intune`: tries a tenant out, and says how one is set up.

use std::sync::Arc;

use actors::{Metrics, SharedClock, SystemClock};
use chrono::Utc;
use clap::{Args, Subcommand};
use intune_cloud::{Answered, Cloud, DIRECTORY_DEVICES, MANAGED_DEVICES, Needed, Tenant, USERS};

use super::orders::{carry_out, unexpected};
use super::{Failure, SourceArgs};
use crate::checks::{self, LoadedTenant};
use crate::config::{Config, DeviceState, Sid};
use crate::control::{Answer, Order};
use crate::intune;

/// Try an Intune tenant out, or print how to set one up
#[derive(Debug, Args)]
pub(super) struct IntuneArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Test(Box<TestArgs>),
    Setup(SetupArgs),
    Revocations(Box<RevocationsArgs>),
}

/// Ask Entra ID, Graph and Intune as the server would, and say what each of them answers; nothing is changed
#[derive(Debug, Args)]
struct TestArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// The id of the tenant in the configuration; all when left out
    #[arg(long)]
    tenant: Option<String>,
}

/// Release or refuse the revocations that Intune asks for and that are held, at the running server
#[derive(Debug, Args)]
struct RevocationsArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// The id of the tenant in the configuration
    #[arg(long)]
    tenant: String,
    /// Revoke them
    #[arg(long, conflicts_with = "refuse", required_unless_present = "refuse")]
    release: bool,
    /// Revoke none of them, and tell Intune so
    #[arg(long)]
    refuse: bool,
}

/// Print the steps, and the commands for az and PowerShell, that make the app with its permissions
#[derive(Debug, Args)]
struct SetupArgs {
    /// Which of Microsoft's clouds
    #[arg(long, value_enum, default_value_t = CloudName::Global)]
    cloud: CloudName,
    /// What the app is called
    #[arg(long, default_value = "scepd")]
    name: String,
    /// With the permissions for `compliance`, `device_sweep` and `sid`, which look at devices and users
    #[arg(long)]
    device_state: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CloudName {
    Global,
    GccHigh,
    Dod,
    China,
}

pub(super) fn run(args: IntuneArgs) -> Result<(), Failure> {
    match args.command {
        Command::Test(args) => test(*args),
        Command::Revocations(args) => revocations(&args),
        Command::Setup(args) => {
            print!("{}", setup(args.cloud, &args.name, args.device_state));
            Ok(())
        }
    }
}

fn revocations(args: &RevocationsArgs) -> Result<(), Failure> {
    let order = Order::DecideRevocations {
        tenant: args.tenant.clone(),
        release: args.release,
    };
    let Answer::RevocationsDecided(count) = carry_out(&args.sources, &order)? else {
        return Err(unexpected());
    };
    let what = if args.release { "released" } else { "refused" };
    println!("{count} revocations are {what}");
    Ok(())
}

fn test(args: TestArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    let effective = args.sources.sources()?.load();
    let effective = effective.map_err(|errors| Failure::new(errors.to_string()))?;
    let (tenants, problems) = checks::tenants_of(&effective.config, Utc::now());
    for problem in &problems {
        println!("{}", problem);
    }
    let wanted = |tenant: &&LoadedTenant| {
        let id = &tenant.settings.id;
        args.tenant.as_ref().is_none_or(|wanted| wanted == id)
    };
    let chosen: Vec<&LoadedTenant> = tenants.iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Failure::new(match &args.tenant {
            Some(id) => format!("there is no usable [[tenant]] `{id}` in the configuration"),
            None => "there is no usable [[tenant]] in the configuration".to_owned(),
        }));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::while_doing("cannot start"))?;
    let clock: SharedClock = Arc::new(SystemClock);
    let mut failed = 0_usize;
    for loaded in chosen {
        let tenant = intune::tenant(loaded, &clock, &Metrics::default());
        let tenant = tenant.map_err(|error| Failure::new(error.to_string()))?;
        println!(
            "tenant {} ({}), app {}, credential {}",
            tenant.id(),
            tenant.tenant(),
            tenant.client_id(),
            tenant.report().credential
        );
        let needed = needed(&effective.config, loaded);
        failed += runtime.block_on(try_out(&tenant, &needed));
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} steps failed"))),
    }
}

/// The permissions of Graph that settings need beside the two that every tenant needs.
fn needed(config: &Config, tenant: &LoadedTenant) -> Vec<Needed> {
    let settings = &tenant.settings;
    let profiles = config
        .profiles
        .iter()
        .map(|one| (&one.path_id, &one.intune_cloud));
    let naming = profiles.filter(|(_, cloud)| cloud.tenants.contains(&settings.id));
    let (mut state, mut users) = (Vec::new(), Vec::new());
    for (path_id, cloud) in naming {
        if cloud.compliance != DeviceState::Off {
            state.push(format!("`compliance` of the profile `{path_id}`"));
        }
        if matches!(cloud.sid, Sid::Verify | Sid::Extension) {
            users.push(format!("`sid` of the profile `{path_id}`"));
        }
    }
    if settings.device_sweep != DeviceState::Off {
        state.push("`device_sweep`".to_owned());
    }
    users.extend(state.iter().cloned());
    let all = [
        (MANAGED_DEVICES, &state),
        (DIRECTORY_DEVICES, &state),
        (USERS, &users),
    ];
    let needed = all.into_iter().filter(|(_, why)| !why.is_empty());
    needed
        .map(|(any_of, why)| Needed {
            any_of,
            why: why.join(" and "),
        })
        .collect()
}

/// Prints each step; how many failed.
async fn try_out(tenant: &Tenant, needed: &[Needed]) -> usize {
    let mut failed = 0;
    for Answered { what, took, result } in tenant.try_out(needed).await {
        let time = took.map_or(String::new(), |took| format!(" ({} ms)", took.as_millis()));
        match result {
            Ok(words) => println!("  ok    {what}{time}: {words}"),
            Err(words) => {
                failed += 1;
                println!("  FAIL  {what}{time}: {words}");
            }
        }
    }
    failed
}

fn setup(cloud: CloudName, name: &str, with_state: bool) -> String {
    const INTUNE: &str = "c161e42e-d4df-4a3d-9b42-e7a3c31f59d4";
    const CHALLENGE: &str = "39d724e8-6a34-4930-9a36-364082c35716";
    const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
    const APPLICATIONS: &str = "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30";
    /// What looking at devices and users needs: name and id of each role.
    const STATE: [(&str, &str); 3] = [
        (
            "DeviceManagementManagedDevices.Read.All",
            "2f51be20-0bb4-4fed-bf7b-db946066c75e",
        ),
        ("Device.Read.All", "7438b122-aefc-4978-80ed-43db9fcc7715"),
        ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
    ];
    let further = if with_state { &STATE[..] } else { &[] };
    let in_portal: String = further
        .iter()
        .map(|(role, _)| format!("   Microsoft Graph, Application permissions, {role}\n"))
        .collect();
    let by_az: String = further
        .iter()
        .map(|(_, id)| {
            format!(
                "az ad app permission add --id \"$app\" --api {GRAPH} --api-permissions {id}=Role\n"
            )
        })
        .collect();
    let pairs: String = further
        .iter()
        .map(|(_, id)| format!(", @('{GRAPH}', '{id}')"))
        .collect();
    let all = if with_state { "All" } else { "Both" };
    let (kind, azure, environment, portal) = match cloud {
        CloudName::Global => (
            Cloud::Global,
            "AzureCloud",
            "Global",
            "https://entra.microsoft.com",
        ),
        CloudName::GccHigh => (
            Cloud::GccHigh,
            "AzureUSGovernment",
            "USGov",
            "https://entra.microsoft.us",
        ),
        CloudName::Dod => (
            Cloud::Dod,
            "AzureUSGovernment",
            "USGovDoD",
            "https://entra.microsoft.us",
        ),
        CloudName::China => (
            Cloud::China,
            "AzureChinaCloud",
            "China",
            "https://entra.microsoftonline.cn",
        ),
    };
    let cloud_line = match kind {
        Cloud::Global => String::new(),
        other => format!("cloud = \"{}\"\n", other.as_str()),
    };
    // It stands between quotation marks in commands.
    let name: String = name
        .chars()
        .filter(|character| character.is_alphanumeric() || " -_.".contains(*character))
        .collect();
    format!(
        "In the portal
1. {portal}, Entra ID, App registrations, New registration: {name}, this directory only, no redirect URI.
2. API permissions, Add a permission:
   Intune, Application permissions, scep_challenge_provider
   Microsoft Graph, Application permissions, Application.Read.All
{in_portal}   Then: Grant admin consent. {all} must show a green mark.
3. Certificates & secrets: upload a certificate, or make a client secret and keep its Value (not its Secret ID).
4. Overview: note Application (client) ID and Directory (tenant) ID.

The same with az (as an administrator)
az cloud set --name {azure}
az login --allow-no-subscriptions
app=$(az ad app create --display-name \"{name}\" --sign-in-audience AzureADMyOrg --query appId -o tsv)
az ad sp create --id \"$app\"
az ad app permission add --id \"$app\" --api {INTUNE} --api-permissions {CHALLENGE}=Role
az ad app permission add --id \"$app\" --api {GRAPH} --api-permissions {APPLICATIONS}=Role
{by_az}az ad app permission admin-consent --id \"$app\"
az ad app credential reset --id \"$app\" --append --years 1 --query password -o tsv
az account show --query tenantId -o tsv

The permissions of a managed identity (Graph PowerShell; the portal cannot give them)
Connect-MgGraph -Environment {environment} -Scopes AppRoleAssignment.ReadWrite.All,Application.Read.All
$identity = Get-MgServicePrincipal -Filter \"displayName eq 'NAME OF THE IDENTITY'\"
foreach ($pair in @(@('{INTUNE}', '{CHALLENGE}'), @('{GRAPH}', '{APPLICATIONS}'){pairs})) {{
  $api = Get-MgServicePrincipal -Filter \"appId eq '$($pair[0])'\"
  New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $identity.Id -PrincipalId $identity.Id -ResourceId $api.Id -AppRoleId $pair[1]
}}

In scepd's configuration
[[tenant]]
id = \"contoso\"
tenant = \"TENANT ID OR DOMAIN\"
client_id = \"CLIENT ID\"
client_secret_file = \"/etc/scepd/intune/client-secret\"
secret_expires = \"YYYY-MM-DD\"
{cloud_line}
[profile.intune_cloud]
tenants = [\"contoso\"]

Then: scepd intune test --config scepd.toml
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_name_the_clouds_places_and_hold_no_foreign_characters() {
        let text = setup(CloudName::GccHigh, "scepd\"; rm -rf ~ #", false);
        assert!(text.contains("AzureUSGovernment") && text.contains("cloud = \"gcc-high\""));
        assert!(text.contains("--display-name \"scepd rm -rf  \""), "{text}");
        assert!(!text.contains("Device.Read.All"));
        assert!(!setup(CloudName::Global, "scepd", false).contains("cloud ="));
        let text = setup(CloudName::Global, "scepd", true);
        assert_eq!(
            text.matches("df021288-bdef-4463-88db-98f22de89214").count(),
            2
        );
        assert!(text.contains("Application permissions, Device.Read.All\n"));
    }
}
