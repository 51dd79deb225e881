//! Where a cluster's files are.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use super::account::Account;

/// Where an account that cannot enter our folder has its files; unlike `/tmp` it outlives a restart.
const ELSEWHERE: &str = "/var/tmp";

/// What the folder with the copy of the programs is called after that of the account.
const INSTALL_SUFFIX: &str = "-install";

/// Folders of a cluster.
#[derive(Debug)]
pub(super) struct Place {
    /// With `bin`, `lib` and `share`.
    pub(super) install: PathBuf,
    /// What the account owns; the data folder is in it.
    pub(super) home: PathBuf,
}

impl Place {
    /// Makes the folders. Root's own folders are often closed for everybody else; then the cluster and a
    /// copy of the programs go to folders under `/var/tmp`; that of the cluster only the account can read.
    pub(super) fn prepare(dir: &Path, install: &Path, account: Option<Account>) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("make the folder {}", dir.display()))?;
        let dir = dir.canonicalize().context("find the folder of the cluster")?;
        let install = install.canonicalize().context("find the folder of Postgres")?;
        let Some(account) = account else {
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))
                .context("close the cluster's folder")?;
            return Ok(Self { install, home: dir });
        };
        let above = dir.parent().unwrap_or(&dir);
        if account.can_enter(above) && account.can_enter(&install.join("bin")) {
            own(&dir, account)?;
            return Ok(Self { install, home: dir });
        }
        let home = elsewhere(&dir, account)?;
        let install = copy_install(&install, &home)?;
        Ok(Self { install, home })
    }
}

/// A copy of the programs beside `home`, in a folder of our own: in one of the account's it could lead us
/// elsewhere by symbolic links while we write.
fn copy_install(install: &Path, home: &Path) -> Result<PathBuf> {
    let mut name = home.as_os_str().to_owned();
    name.push(INSTALL_SUFFIX);
    let folder = PathBuf::from(name);
    match fs::DirBuilder::new().mode(0o755).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).context("make a folder for a copy of Postgres");
        }
        _ => {}
    }
    let meta = fs::symlink_metadata(&folder).context("look at the copy of Postgres")?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
        bail!("{} belongs to somebody else; remove it", folder.display());
    }
    let copy = folder.join(install_name(install));
    if !copy.exists() {
        let draft = folder.join(".install.new");
        if draft.exists() {
            fs::remove_dir_all(&draft).context("remove a half-done copy of Postgres")?;
        }
        copy_tree(install, &draft).context("copy Postgres to where it can be run")?;
        fs::rename(&draft, &copy).context("give the copy of Postgres its name")?;
    }
    Ok(copy)
}

/// The account's own folder for the cluster of `dir`, which notes where it is: with a new `dir` of the
/// same name a new cluster begins.
fn elsewhere(dir: &Path, account: Account) -> Result<PathBuf> {
    let note = dir.join("moved-to");
    let home = match fs::read_to_string(&note) {
        Ok(text) => PathBuf::from(text.trim_end()),
        Err(_) => {
            let hash = hex::encode(Sha256::digest(dir.as_os_str().as_encoded_bytes()));
            let chance = hex::encode(rand::random::<[u8; 4]>());
            let home = Path::new(ELSEWHERE).join(format!("creel-{}-{chance}", &hash[..8]));
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&home)
                .context("make a folder for Postgres")?;
            own(&home, account)?;
            fs::write(&note, format!("{}\n", home.display())).context("note where the cluster is")?;
            home
        }
    };
    match fs::symlink_metadata(&home) {
        Ok(meta) if meta.is_dir() && meta.uid() == account.uid => Ok(home),
        // Anybody can make a folder under /var/tmp: one that is not the account's own is not used.
        Ok(_) => bail!(
            "{} belongs to somebody else; remove it and {}",
            home.display(),
            note.display()
        ),
        Err(_) => bail!(
            "the cluster's folder {} is gone; remove {} to begin with an empty one",
            home.display(),
            note.display()
        ),
    }
}

/// Another version is another copy.
fn install_name(install: &Path) -> String {
    let hash = hex::encode(Sha256::digest(install.as_os_str().as_encoded_bytes()));
    format!("install-{}", &hash[..16])
}

/// Makes a folder the account's own, closed for others. It is opened, so that it is this one folder whatever
/// its name means by now.
fn own(folder: &Path, account: Account) -> Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags, Mode::empty()).context("open the folder of Postgres")?;
    fchown(&opened, Some(account.uid), Some(account.gid)).context("give Postgres its folder")?;
    rustix::fs::fchmod(&opened, Mode::RWXU).context("close the folder of Postgres")
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    // Run by the account and written by us alone.
    fs::DirBuilder::new().mode(0o755).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
