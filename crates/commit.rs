use std::path::Path;
use std::process::Command;

/// What the commit stands for: a difference from it makes the commit `-dirty`.
const SOURCES: [&str; 3] = ["crates", "Cargo.toml", "Cargo.lock"];

/// Sets `MFLAG_COMMIT` for the package: the commit of the checkout that it is built from, with
/// `-dirty` if its sources differ. Leaves it unset outside a checkout. Runs again when the commit
/// changes, or a source file that can change the program.
pub(crate) fn export() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Some(commit) = commit(&root) else { return };
    println!("cargo::rustc-env=MFLAG_COMMIT={commit}");
    for name in ["HEAD", "logs/HEAD"] {
        let file = git(&root, &["rev-parse", "--git-path", name]);
        if let Some(file) = file
            .map(|file| root.join(file))
            .filter(|file| file.exists())
        {
            println!("cargo::rerun-if-changed={}", file.display());
        }
    }
    println!(
        "cargo::rerun-if-changed={}",
        root.join("Cargo.lock").display()
    );
    for package in std::fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let sources = package.path().join("src");
        if sources.exists() {
            println!("cargo::rerun-if-changed={}", sources.display());
        }
    }
}

/// The commit of the checkout `root`. `None` if `root` is not the top of one, such as a copy inside
/// another repository.
fn commit(root: &Path) -> Option<String> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    if std::fs::canonicalize(top).ok()? != std::fs::canonicalize(root).ok()? {
        return None;
    }
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let status = [&["status", "--porcelain", "--"][..], &SOURCES].concat();
    let dirty = if git(root, &status)?.is_empty() {
        ""
    } else {
        "-dirty"
    };
    Some(format!("{commit}{dirty}"))
}

/// What git prints; `None` if git is missing or fails.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    // A hook of git that builds has variables that name its own repository.
    git.env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_WORK_TREE");
    let output = git.arg("-C").arg(root).args(arguments).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| printed.trim().to_owned())
}
