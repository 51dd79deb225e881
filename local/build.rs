//! Embeds what is there now: without this, a new migration would not be seen by the compiler.

fn main() {
    for folder in ["../supabase/migrations", "../sql/bootstrap", "npm"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
