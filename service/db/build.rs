//! `sqlx::migrate!` embeds the migrations, and cannot tell cargo about new files itself.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
