//! Adds the path of libtorch to binaries that link this package; see `../rpath.rs`.

#[path = "../rpath.rs"]
mod rpath;

fn main() {
    rpath::link();
}
