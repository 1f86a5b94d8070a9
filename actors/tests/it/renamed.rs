//! Profiles that get another name beside a running house.

use crate::device::Device;
use crate::house::World;
use actors::{ApplyError, ApplyProfiles, ProfileSpec};

#[actix::test]
async fn a_new_name_that_is_refused_leaves_the_profile_at_work() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let device = Device::new(&world, "laptop-1");
    device.enroll(&world, &running, "corp").await;
    let unusable = ProfileSpec {
        formerly: vec!["corp".to_owned()],
        ras: Vec::new(),
        ..world.spec("fleet")
    };
    let apply = ApplyProfiles(vec![unusable]);
    let refused = running.house.supervisor.send(apply).await.unwrap();
    assert!(
        matches!(refused, Err(ApplyError::View { .. })),
        "{refused:?}"
    );
    Device::new(&world, "laptop-2")
        .enroll(&world, &running, "corp")
        .await;

    let renamed = ProfileSpec {
        formerly: vec!["corp".to_owned()],
        ..world.spec("fleet")
    };
    let apply = ApplyProfiles(vec![renamed]);
    let applied = running.house.supervisor.send(apply).await.unwrap().unwrap();
    assert_eq!((applied.added.len(), applied.removed.len()), (1, 1));
    let device = Device::new(&world, "laptop-3");
    device.enroll(&world, &running, "fleet").await;
    assert!(running.house.directory.find("corp").is_none());
    let by_old_name = running.house.directory.find_by_any_name("corp").unwrap();
    assert_eq!(by_old_name.spec.path_id, "fleet");
}
