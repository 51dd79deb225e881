//! Embeds what is there now: without this, a new migration would not be seen by the compiler.

use std::path::Path;

fn main() {
    for folder in ["../supabase/migrations", "../sql/bootstrap", "npm"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    embed_page();
}

/// Tells where the built dashboard is, which may be missing. The path has no `..`, as `rust_embed` compares it.
fn embed_page() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = here.parent().unwrap_or(here).join("dashboard/dist");
    // A build for development reads the page when it is asked for; only a release has it within.
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed={}", page.display());
    }
    let code = format!(
        "/// The built page.\n#[derive(rust_embed::Embed)]\n#[folder = {:?}]\n#[allow_missing = true]\nstruct Dist;\n",
        page.to_string_lossy()
    );
    let out = std::env::var_os("OUT_DIR").expect("cargo says where to write");
    std::fs::write(Path::new(&out).join("page.rs"), code).expect("write what embeds the page");
}
