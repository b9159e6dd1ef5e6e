//! Adds the path of libtorch to binaries that link this package, see `../rpath.rs`, and tells the
//! package the commit that it is built from, see `../commit.rs`.

#[path = "../commit.rs"]
mod commit;
#[path = "../rpath.rs"]
mod rpath;

fn main() {
    rpath::link();
    commit::export();
}
