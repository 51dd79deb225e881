//! An agent's folder is its own, and what is in it stays.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use creel_core::host_api::Doc;
use creel_core::status::DocType;
use creel_worker::workspace::{
    DocFile, Found, Owner, Persona, SeedStep, Templates, TextHash, Workspace, WorkspaceError, plan_seed,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{id, make_pipe, read};

fn owner(agent: u128) -> Owner {
    Owner {
        agent_id: Uuid::from_u128(agent),
        project_id: "p".to_owned(),
        agent_key: "agent:scout:main".to_owned(),
    }
}

fn templates() -> Templates {
    let persona = Persona {
        name: "Scout".to_owned(),
        role: "finds".to_owned(),
        emoji: "🦞".to_owned(),
    };
    Templates::new(persona)
}

fn root() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("make a folder");
    let root = folder
        .path()
        .canonicalize()
        .expect("it is there")
        .join("workspaces");
    (folder, root)
}

fn open(root: &Path, agent: u128) -> Result<Workspace, WorkspaceError> {
    Workspace::open(root, &id("scout"), &owner(agent))
}

fn soul(content: &str) -> Doc {
    Doc {
        doc_type: DocType::Soul,
        content: content.to_owned(),
    }
}

#[test]
fn a_new_folder_is_private_marked_and_opened_again_by_its_owner_only() {
    let (_folder, root) = root();
    let workspace = open(&root, 1).expect("it opens");
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&root), mode(workspace.path())), (0o700, 0o700));
    let marker: serde_json::Value =
        serde_json::from_str(&read(workspace.path().join(".creel/agent.json"))).expect("JSON");
    assert_eq!(marker["agent_id"], Uuid::from_u128(1).to_string());
    assert!(marker["created_at"].is_string(), "{marker}");
    open(&root, 1).expect("it opens again");
    assert!(matches!(open(&root, 2), Err(WorkspaceError::Taken { .. })));
}

#[test]
fn somebody_elses_files_are_not_taken_over() {
    let (_folder, root) = root();
    std::fs::create_dir_all(root.join("scout")).expect("make the folder");
    std::fs::write(root.join("scout/notes.txt"), "mine").expect("write");
    assert!(matches!(open(&root, 1), Err(WorkspaceError::NotOurs { .. })));
    assert!(!root.join("scout/.creel").exists());
}

#[test]
fn a_marker_that_cannot_be_read_is_nobodys() {
    let (_folder, root) = root();
    std::fs::create_dir_all(root.join("scout/.creel")).expect("make the folder");
    std::fs::write(root.join("scout/.creel/agent.json"), "{\"agent_id\":").expect("write");
    assert!(matches!(open(&root, 1), Err(WorkspaceError::NotOurs { .. })));
}

#[test]
fn what_a_worker_leaves_that_is_killed_before_its_marker_is_written_does_no_harm() {
    let (_folder, root) = root();
    std::fs::create_dir_all(root.join("scout/.creel")).expect("make the folder");
    std::fs::write(root.join("scout/.creel/agent.json.1.tmp"), "{\"agent").expect("write");
    let workspace = open(&root, 1).expect("it opens");
    workspace.seed(&[], &templates()).expect("it is seeded");
    assert!(!root.join("scout/.creel/agent.json.1.tmp").exists());
}

#[test]
fn only_the_root_may_be_a_symbolic_link() {
    let (folder, root) = root();
    let real = folder.path().canonicalize().expect("it is there").join("real");
    std::fs::create_dir_all(real.join("elsewhere")).expect("make the folder");
    symlink(&real, &root).expect("link");
    assert_eq!(open(&root, 1).expect("it opens").path(), real.join("scout"));
    symlink(real.join("elsewhere"), root.join("other")).expect("link");
    let linked = Workspace::open(&root, &id("other"), &owner(2));
    assert!(
        matches!(
            linked,
            Err(WorkspaceError::NotAFolder {
                found: "a symbolic link",
                ..
            })
        ),
        "{linked:?}"
    );
    assert_eq!(
        std::fs::read_dir(real.join("elsewhere"))
            .expect("it is there")
            .count(),
        0
    );
}

#[test]
fn a_file_in_place_of_a_folder_is_told() {
    let (_folder, root) = root();
    std::fs::create_dir_all(&root).expect("make the folder");
    std::fs::write(root.join("scout"), "").expect("write");
    assert!(matches!(
        open(&root, 1),
        Err(WorkspaceError::NotAFolder { found: "a file", .. })
    ));
    let beneath_a_file = Workspace::open(&root.join("scout/deeper"), &id("a"), &owner(1));
    assert!(
        matches!(beneath_a_file, Err(WorkspaceError::NotAFolder { .. })),
        "{beneath_a_file:?}"
    );
}

#[test]
fn a_blank_workspace_gets_the_words_of_rows_and_else_of_templates() {
    let (_folder, root) = root();
    let workspace = open(&root, 1).expect("it opens");
    let agents = Doc {
        doc_type: DocType::Agents,
        content: "how".to_owned(),
    };
    let blank = Doc {
        doc_type: DocType::User,
        content: " \n".to_owned(),
    };
    workspace
        .seed(&[soul("mine"), agents, blank], &templates())
        .expect("it is seeded");
    let path = workspace.path();
    assert_eq!(
        (read(path.join("SOUL.md")), read(path.join("AGENTS.md"))),
        ("mine".into(), "how".into())
    );
    assert!(read(path.join("IDENTITY.md")).contains("Scout"));
    assert!(read(path.join("USER.md")).starts_with("# USER.md"));
    assert!(path.join("MEMORY.md").is_file() && path.join("memory").is_dir());
}

#[test]
fn a_file_that_is_there_is_never_touched_even_if_it_is_empty() {
    let (_folder, root) = root();
    let workspace = open(&root, 1).expect("it opens");
    std::fs::write(workspace.path().join("SOUL.md"), "").expect("write");
    workspace
        .seed(&[soul("of the row")], &templates())
        .expect("it is seeded");
    workspace.seed(&[], &templates()).expect("it is seeded again");
    assert_eq!(read(workspace.path().join("SOUL.md")), "");
}

#[test]
fn a_file_that_comes_between_plan_and_deed_is_not_touched() {
    let (_folder, root) = root();
    let workspace = open(&root, 1).expect("it opens");
    let steps = plan_seed(
        workspace.path(),
        &BTreeMap::new(),
        &[soul("of the row")],
        &templates(),
    )
    .expect("a plan");
    std::fs::write(workspace.path().join("SOUL.md"), "of a person").expect("write");
    workspace.apply_seed(&steps).expect("it is seeded");
    assert_eq!(read(workspace.path().join("SOUL.md")), "of a person");
    let left = std::fs::read_dir(workspace.path().join(".creel"))
        .expect("it is there")
        .count();
    assert_eq!(left, 1, "only the marker");
}

#[test]
fn a_plan_names_only_what_is_missing_and_refuses_what_is_no_file() {
    let plan = |listing: &[(&str, Found)]| {
        let listing = listing
            .iter()
            .map(|(name, found)| ((*name).to_owned(), *found))
            .collect();
        plan_seed(Path::new("/w"), &listing, &[], &templates())
    };
    let all = ["SOUL.md", "USER.md", "IDENTITY.md", "MEMORY.md"].map(|name| (name, Found::File));
    assert_eq!(
        plan(&all).expect("a plan"),
        vec![SeedStep::Folder { name: "memory" }]
    );
    let refused = plan(&[("SOUL.md", Found::Special)]);
    assert!(
        matches!(refused, Err(WorkspaceError::NotAFile { .. })),
        "{refused:?}"
    );
    let refused = plan(&[("memory", Found::SymbolicLink)]);
    assert!(
        matches!(refused, Err(WorkspaceError::NotAFolder { .. })),
        "{refused:?}"
    );
}

#[test]
fn documents_that_no_row_can_hold_are_skipped_and_told() {
    let (_folder, root) = root();
    let workspace = open(&root, 1).expect("it opens");
    let path = |name: &str| workspace.path().join(name);
    make_pipe(&path("SOUL.md"));
    symlink("/etc/passwd", path("USER.md")).expect("link");
    std::fs::write(path("AGENTS.md"), vec![b'a'; (1 << 20) + 1]).expect("write");
    std::fs::write(path("IDENTITY.md"), b"\xff\xfe").expect("write");
    std::fs::write(path("MEMORY.md"), "héllo").expect("write");
    let documents = workspace.documents().expect("they are read");
    assert_eq!(documents.docs.len(), 1);
    assert_eq!(documents.docs[0].content, "héllo");
    let skipped: Vec<&str> = documents.skipped.iter().map(|skipped| skipped.file).collect();
    assert_eq!(skipped, ["SOUL.md", "AGENTS.md", "USER.md", "IDENTITY.md"]);
    std::fs::write(path("MEMORY.md"), "a\0b").expect("write");
    assert!(workspace.documents().expect("they are read").docs.is_empty());
}

#[test]
fn an_identity_is_put_back_unless_somebody_else_wrote_it() {
    let (_folder, root) = root();
    let workspace = open(&root, 1).expect("it opens");
    let path = workspace.path().join("IDENTITY.md");
    let (mine, spoilt) = (
        "# Me\n\n- **Name:** Nora\n- **Emoji:** 🐙\n",
        "# Me\n\n- Name: scout\n- **Emoji:** 🐙\n",
    );
    std::fs::write(&path, mine).expect("write");
    workspace.keep_identity().expect("it is kept");
    std::fs::write(&path, spoilt).expect("write");
    workspace
        .keep_identity()
        .expect("a second attempt keeps what the first one kept");
    workspace.restore_identity().expect("it is put back");
    assert_eq!(read(&path), mine);
    workspace.keep_identity().expect("it is kept");
    std::fs::write(&path, "a new text").expect("write");
    workspace.restore_identity().expect("it is left");
    assert_eq!(read(&path), "a new text");
    workspace
        .restore_identity()
        .expect("there is nothing to put back");
}

#[test]
fn an_identity_that_is_to_be_put_back_is_seen_as_it_was() {
    let (_folder, root) = root();
    let workspace = open(&root, 1).expect("it opens");
    let file = DocFile::Named("IDENTITY.md");
    let path = workspace.path().join("IDENTITY.md");
    for mine in ["# Me\n\n- **Name:** Nora\n", ""] {
        let hash = TextHash::of(mine);
        std::fs::write(&path, mine).expect("write");
        let before = workspace.look(file, None);
        assert_eq!(before.found.hash(), Some(hash));
        workspace.keep_identity().expect("it is kept");
        std::fs::write(&path, format!("{mine}- Name: scout\n")).expect("write");
        let meanwhile = workspace.look(file, before.seen.as_ref());
        assert_eq!(
            meanwhile.found.hash(),
            Some(hash),
            "what OpenClaw writes is not the agent's"
        );
        assert_eq!(workspace.read_text(file, hash).as_deref(), Some(mine));
        std::fs::write(&path, mine).expect("write");
        workspace.restore_identity().expect("it is put back");
        assert_eq!(
            workspace.look(file, meanwhile.seen.as_ref()).found.hash(),
            Some(hash)
        );
        std::fs::write(&path, "another one").expect("write");
        let after = workspace.look(file, before.seen.as_ref());
        assert_eq!(after.found.hash(), Some(TextHash::of("another one")));
    }
}
