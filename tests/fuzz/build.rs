//! Adds the path of libtorch to binaries that link this package; see `crates/rpath.rs`.

#[path = "../../crates/rpath.rs"]
mod rpath;

fn main() {
    rpath::link();
}
