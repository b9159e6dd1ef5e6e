/// Lets the binaries, tests, examples and doc tests of a package find libtorch without environment
/// variables: first through the checkout's `.libtorch` link, which follows a copy that moved, then
/// at the place where libtorch is now, which outlives the checkout. Returns the folder, or nothing
/// when only documentation is built (feature `doc-only`).
pub(crate) fn link() -> Option<String> {
    println!("cargo::rerun-if-changed=build.rs");
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").ok()?;
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    if let Ok(real) = std::fs::canonicalize(&lib) {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", real.display());
    }
    Some(lib)
}
