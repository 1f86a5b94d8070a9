//! Profiles that get another name beside a running runtime.

use crate::device::Device;
use crate::test_env::TestEnv;
use actors::{ApplyError, ApplyProfiles, ProfileSpec};

#[actix::test]
async fn a_new_name_that_is_refused_leaves_the_profile_at_work() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    device.enroll(&env, &running, "corp").await;
    let unusable = ProfileSpec {
        formerly: vec!["corp".to_owned()],
        ras: Vec::new(),
        ..env.spec("fleet")
    };
    let apply = ApplyProfiles(vec![unusable]);
    let refused = running.runtime.supervisor.send(apply).await.unwrap();
    assert!(
        matches!(refused, Err(ApplyError::View { .. })),
        "{refused:?}"
    );
    Device::new(&env, "laptop-2")
        .enroll(&env, &running, "corp")
        .await;

    let renamed = ProfileSpec {
        formerly: vec!["corp".to_owned()],
        ..env.spec("fleet")
    };
    let apply = ApplyProfiles(vec![renamed]);
    let applied = running
        .runtime
        .supervisor
        .send(apply)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((applied.added.len(), applied.removed.len()), (1, 1));
    let device = Device::new(&env, "laptop-3");
    device.enroll(&env, &running, "fleet").await;
    assert!(running.runtime.directory.find("corp").is_none());
    let by_old_name = running.runtime.directory.find_by_any_name("corp").unwrap();
    assert_eq!(by_old_name.spec.path_id, "fleet");
}
