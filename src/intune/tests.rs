//! The guide says what Intune's codes mean, and what to do.
#![allow(clippy::unwrap_used)]

#[test]
fn the_guide_has_every_code_as_the_server_says_it() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/intune.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let refusing = |code: &&intune_cloud::Code| code.name != intune_cloud::codes::SUCCESS;
    for code in intune_cloud::CODES.iter().filter(refusing) {
        let row = format!("| `{}` | {} | {} |", code.name, code.meaning, code.advice);
        assert!(guide.contains(&row), "{row}");
    }
}
