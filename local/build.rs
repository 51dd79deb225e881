//! Embeds what is there now: without this, a new migration would not be seen by the compiler.

use std::path::Path;

fn main() {
    for folder in ["../supabase/migrations", "../sql/bootstrap", "npm"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    // The built dashboard, which may be missing. A build for development reads it when it is asked for.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = here.parent().unwrap_or(here).join("dashboard/dist");
    println!("cargo::rustc-env=CREEL_PAGE_DIR={}", page.display());
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed={}", page.display());
    }
}
