/// Lets the binaries, tests, examples and doc tests of a package find libtorch with nothing exported: first through the checkout's
/// `.libtorch` link, which follows a copy that moved, then at the place where libtorch is now, which outlives the checkout.
pub(crate) fn link() {
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    if let Ok(real) = std::fs::canonicalize(&lib) {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", real.display());
    }
    println!("cargo::rerun-if-changed=build.rs");
}
