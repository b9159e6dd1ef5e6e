//! Lets what links this package's code find libtorch; see `../rpath.rs`.

#[path = "../rpath.rs"]
mod rpath;

fn main() {
    rpath::link();
}
