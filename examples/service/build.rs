//! Lets what links this package's code find libtorch; see `../../crates/rpath.rs`.

#[path = "../../crates/rpath.rs"]
mod rpath;

fn main() {
    rpath::link();
}
