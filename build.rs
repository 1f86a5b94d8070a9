//! Has the program built again when the admin page was: `src/http/page.rs` takes in `web-ui/dist`.

fn main() {
    // A path that is missing would count as changed each time. Where the directory cannot be made
    // (a read-only checkout) that is all that happens.
    let _ = std::fs::create_dir_all("web-ui/dist");
    println!("cargo::rerun-if-changed=web-ui/dist");
}
