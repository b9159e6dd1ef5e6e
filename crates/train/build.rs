//! Compiles the shim against the headers of the libtorch that torch-sys found, and adds the path of
//! libtorch to binaries that link this package; see `../rpath.rs`.

#[path = "../rpath.rs"]
mod rpath;

use std::path::Path;

fn main() {
    rpath::link();
    println!("cargo::rerun-if-changed=shim");
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").unwrap_or_default();
    let Some(torch) = Path::new(&lib).parent() else {
        println!(
            "cargo::error=torch-sys did not report the folder of libtorch; run `./just setup`"
        );
        return;
    };
    let abi = std::env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include("shim")
        .include(torch.join("include"))
        .include(torch.join("include/torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .define("USE_DISTRIBUTED", None)
        .define("USE_C10D_GLOO", None)
        .warnings(false)
        .opt_level(1)
        .file("shim/shim.cpp")
        .file("shim/c10d.cpp")
        .compile("mflag_shim");
}
