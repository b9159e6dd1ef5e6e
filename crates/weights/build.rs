//! Links this package's code against libtorch (see `../rpath.rs`), and passes the folder of
//! libtorch to the build scripts of dependents as `DEP_MFLAG_WEIGHTS_LIBTORCH`.

#[path = "../rpath.rs"]
mod rpath;

fn main() {
    if let Some(libtorch) = rpath::link() {
        println!("cargo::metadata=libtorch={libtorch}");
    }
}
