//! Stores that cannot be opened.

use super::*;

/// Only root can give files away; for others there is nothing to look at.
#[test]
fn a_store_of_another_user_is_not_opened() {
    let env = TestEnv::new();
    drop(open_store(&env.config).unwrap_or_else(|problem| panic!("{problem}")));
    assert_eq!(check_store(&env.config, now()), []);
    let data = env.config.store_path().join("db");
    if std::os::unix::fs::chown(&data, Some(54_321), None).is_err() {
        return;
    }
    let before = fs::metadata(&data).unwrap().modified().unwrap();
    for problem in [
        check_store(&env.config, now()).pop(),
        probe_store(&env.config).err().map(|problem| *problem),
        open_store(&env.config).err().map(|problem| *problem),
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
    let env = TestEnv::new();
    assert_eq!(
        check_store(&env.config, now()),
        [],
        "one that is still to be made is fine"
    );
    fs::create_dir_all(env.config.server.data_dir.clone()).unwrap();
    write(
        &env.config.store_path(),
        b"a file where the directory should be",
    );
    assert!(
        open_store(&env.config)
            .is_err_and(|problem| problem.to_string().starts_with("store: path ("))
    );
}

#[test]
fn a_store_that_others_may_read_is_warned_of() {
    let env = TestEnv::new();
    drop(open_store(&env.config).unwrap_or_else(|problem| panic!("{problem}")));
    let directory = env.config.store_path();
    let data = directory.join("db");
    let said = |of_directory, of_data| {
        fs::set_permissions(&directory, Permissions::from_mode(of_directory)).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(of_data)).unwrap();
        open_to_others(&env.config).map(|problem| {
            assert_eq!(problem.severity, Severity::Warning);
            problem.to_string()
        })
    };
    assert_eq!(said(0o700, 0o600), None);
    assert_eq!(
        said(0o700, 0o644),
        None,
        "nobody else comes as far as the file"
    );
    let directory = directory.display();
    for (of_directory, of_data) in [(0o755, 0o600), (0o750, 0o600), (0o755, 0o644)] {
        let said = said(of_directory, of_data).unwrap();
        assert!(said.contains(&format!("mode {of_directory:04o}")), "{said}");
        assert!(said.contains(&format!("chmod 700 {directory}")), "{said}");
    }
    let said = said(0o711, 0o640).unwrap();
    assert!(said.contains("mode 0711"), "{said}");
}

#[test]
fn a_store_that_is_still_to_be_made_is_open_to_nobody() {
    assert_eq!(open_to_others(&TestEnv::new().config), None);
}

#[test]
fn a_profile_that_is_in_the_store_alone_is_warned_of_unless_another_one_was_called_so() {
    let mut env = TestEnv::new();
    let marks = |profile: &str| ::store::Reservation::Once {
        scope: profile.to_owned(),
        key: [7; 16],
        until: now() + Duration::hours(1),
    };
    let opened = open_store(&env.config).unwrap_or_else(|problem| panic!("{problem}"));
    for profile in ["corp", "sales", ""] {
        let change = ::store::Change::new().with(marks(profile));
        let time = opened.time(::store::ClockReading {
            wall: now(),
            monotonic: std::time::Instant::now(),
        });
        opened.commit(&[change], time).unwrap();
    }
    drop(opened);
    let said = |env: &TestEnv, at| -> Vec<String> {
        let problems = check_store(&env.config, at);
        assert!(problems.iter().all(|p| p.severity == Severity::Warning));
        problems.iter().map(ToString::to_string).collect()
    };
    let all = said(&env, now());
    let [root, sales] = all.as_slice() else {
        panic!("{all:#?}")
    };
    assert!(
        root.contains("of the root profile, which is not configured")
            && root.contains("set formerly = \"\" there"),
        "{root}"
    );
    assert!(
        sales.contains("of profile sales, which is not configured")
            && sales.contains("set formerly = \"sales\" there"),
        "{sales}"
    );
    env.profile().formerly = vec!["sales".to_owned(), String::new()];
    assert!(said(&env, now()).is_empty());
    // What decides nothing any more is no matter.
    env.profile().formerly.clear();
    assert!(said(&env, now() + Duration::hours(2)).is_empty());
}

/// What a start and a check say of a store that is not there; nothing is made meanwhile.
fn refused(env: &TestEnv) -> String {
    let said = |problem: &Problem| {
        assert_eq!(problem.severity, Severity::Failure);
        problem.to_string()
    };
    let checked: Vec<String> = check_store(&env.config, now()).iter().map(said).collect();
    let probed = probe_store(&env.config).unwrap_err();
    let opened = open_store(&env.config).err().unwrap();
    assert_eq!(checked, [said(&probed)]);
    assert_eq!(probed, opened, "the same words");
    assert!(!env.config.store_path().join("db").exists());
    said(&opened)
}

#[test]
fn a_store_that_was_there_is_missed() {
    let env = TestEnv::new();
    let (path, data_dir) = (env.config.store_path(), &env.config.server.data_dir);
    make_data_dir(&env.config).unwrap_or_else(|problem| panic!("{problem}"));
    let lock = DataDir::take(&env.config).unwrap_or_else(|problem| panic!("{problem}"));
    drop(open_store(&env.config).unwrap_or_else(|problem| panic!("{problem}")));
    lock.note(&path)
        .unwrap_or_else(|problem| panic!("{problem}"));
    drop(lock);
    assert_eq!(check_store(&env.config, now()), []);

    let mut restoring = path.clone().into_os_string();
    restoring.push(".restoring");
    fs::remove_file(path.join("db")).unwrap();
    let said = refused(&env);
    assert!(said.contains("has lost its data"), "{said}");

    fs::rename(&path, &restoring).unwrap();
    let said = refused(&env);
    assert!(said.contains("a restore into it was broken off"), "{said}");

    fs::remove_dir_all(&restoring).unwrap();
    let said = refused(&env);
    assert!(said.contains("the store that was here is gone"), "{said}");
    let mark = data_dir.join("scepd.lock");
    assert!(
        said.contains("to begin with an empty store") && said.contains(&mark.display().to_string())
    );

    let mut elsewhere = env;
    let data_dir = elsewhere.config.server.data_dir.clone();
    elsewhere.config.store.path = Some(data_dir.join("other"));
    let said = refused(&elsewhere);
    let last = path.display().to_string();
    assert!(
        said.contains("had its store in") && said.contains(&last),
        "{said}"
    );

    fs::remove_file(mark).unwrap();
    assert_eq!(check_store(&elsewhere.config, now()), []);
    let ra = data_dir.join("ra/corp");
    fs::create_dir_all(&ra).unwrap();
    assert_eq!(check_store(&elsewhere.config, now()), []);
    fs::write(ra.join("000000000001.pem"), b"a pair").unwrap();
    let said = refused(&elsewhere);
    assert!(
        said.contains("RA certificates of a server that had one"),
        "{said}"
    );
}

#[test]
fn a_data_directory_is_one_servers() {
    let env = TestEnv::new();
    make_data_dir(&env.config).unwrap_or_else(|problem| panic!("{problem}"));
    let first = DataDir::take(&env.config).unwrap_or_else(|problem| panic!("{problem}"));
    let store = env.config.store_path();
    first
        .note(&store)
        .unwrap_or_else(|problem| panic!("{problem}"));
    let problem = DataDir::take(&env.config).unwrap_err();
    let said = problem.to_string();
    assert!(
        said.contains("another scepd serves from this directory"),
        "{said}"
    );
    assert!(said.contains(&store.display().to_string()), "{said}");
    drop(first);
    assert!(DataDir::take(&env.config).is_ok());
}
