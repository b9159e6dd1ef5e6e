//! Links this package's code against libtorch; see `../../crates/rpath.rs`.

#[path = "../../crates/rpath.rs"]
mod rpath;

fn main() {
    rpath::link();
}
