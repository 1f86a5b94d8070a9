//! Stores that cannot be opened.

use super::*;

/// Only root can give files away; for others there is nothing to look at.
#[test]
fn a_store_of_another_user_is_not_opened() {
    let house = House::new();
    drop(open_store(&house.config).unwrap_or_else(|problem| panic!("{problem}")));
    assert_eq!(check_store(&house.config), None);
    let data = house.config.store_path().join("db");
    if std::os::unix::fs::chown(&data, Some(54_321), None).is_err() {
        return;
    }
    let before = fs::metadata(&data).unwrap().modified().unwrap();
    for problem in [
        check_store(&house.config),
        probe_store(&house.config).err().map(|problem| *problem),
        open_store(&house.config).err().map(|problem| *problem),
    ] {
        let problem = problem.unwrap();
        assert_eq!(problem.severity, Severity::Failure);
        assert!(
            problem.to_string().contains("belongs to user 54321"),
            "{problem}"
        );
    }
    assert_eq!(fs::metadata(&data).unwrap().modified().unwrap(), before);
}

#[test]
fn a_store_that_is_no_store_is_named() {
    let house = House::new();
    assert_eq!(
        check_store(&house.config),
        None,
        "one that is still to be made is fine"
    );
    fs::create_dir_all(house.config.server.data_dir.clone()).unwrap();
    write(
        &house.config.store_path(),
        b"a file where the directory should be",
    );
    assert!(
        open_store(&house.config)
            .is_err_and(|problem| problem.to_string().starts_with("store: path ("))
    );
}
