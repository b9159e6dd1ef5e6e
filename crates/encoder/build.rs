//! Lets what links this package's code find libtorch; see `../rpath.rs`.

#[path = "../rpath.rs"]
mod rpath;

fn main() {
    rpath::link();
    // Link arguments reach no program outside of this workspace: its own build script reads DEP_MFLAG_ENCODER_LIBTORCH.
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::metadata=libtorch={lib}");
    }
}
