//! Checks what a row asks for, before anything is run.

use std::path::{Path, PathBuf};

use creel_core::host_api::{AgentRow, Item, ProvisionRequest};
use creel_core::id::{AgentId, AgentIdError};

use super::failure::{malformed, not_placed};
use crate::backend::is_own_workspace;
use crate::job::Failure;
use crate::openclaw::{Entry, NewAgent};
use crate::workspace::{Owner, Persona};

/// A name that no list on a page has to cut.
const NAME_MAX_CHARS: usize = 200;

/// The longest emoji are families of several people, each of several characters.
const EMOJI_MAX_BYTES: usize = 32;

/// "In a few words", and it becomes part of each prompt.
const ROLE_MAX_CHARS: usize = 500;

/// What a row asks for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The id in OpenClaw, and the name of the folder.
    pub id: AgentId,
    /// Whose folder it is.
    pub owner: Owner,
    /// Who the agent is.
    pub persona: Persona,
    /// Where the folder is.
    pub place: Place,
}

/// Where the folder of an agent is, and what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Beneath the workspace root; made and filled where it is not there.
    Root,
    /// Where the agent was before, as its row says. If that is not beneath the workspace root, it was adopted.
    Known(PathBuf),
    /// Where OpenClaw's configuration says. It is taken over as it is, and so is the agent.
    Adopted,
}

impl Wish {
    /// The agent as OpenClaw is to have it.
    pub fn new_agent(&self, workspace: &Path) -> NewAgent {
        NewAgent {
            id: self.id.clone(),
            workspace: workspace.to_owned(),
            name: self.persona.name.clone(),
            emoji: self.emoji().map(ToOwned::to_owned),
        }
    }

    /// The emoji, if one was wished for.
    pub fn emoji(&self) -> Option<&str> {
        Some(self.persona.emoji.as_str()).filter(|emoji| !emoji.is_empty())
    }

    /// Whether OpenClaw shows the agent as it was wished for.
    pub(super) fn is_shown_by(&self, entry: &Entry) -> bool {
        entry.identity_name.as_ref() == Some(&self.persona.name)
            && self
                .emoji()
                .is_none_or(|emoji| entry.identity_emoji.as_deref() == Some(emoji))
    }
}

/// Reads and checks a claimed item.
pub fn plan_wish(item: &Item) -> Result<Wish, Failure> {
    let request: ProvisionRequest =
        serde_json::from_value(item.row.clone()).map_err(|_| malformed("request"))?;
    let agent: AgentRow = serde_json::from_value(item.agent.clone()).map_err(|_| malformed("agent"))?;
    let id = plan_id(&request, &agent)?;
    let first = |texts: [Option<String>; 2]| texts.into_iter().flatten().find_map(|text| trimmed(&text));
    let persona = checked_persona(
        first([request.display_name, agent.name]).as_deref(),
        first([request.role_short, agent.role]).as_deref(),
        first([request.emoji, agent.emoji]).as_deref(),
        id.as_str(),
    )?;
    let place = match agent.workspace_path {
        _ if request.adopt => Place::Adopted,
        // It had a gateway of its own.
        Some(path) if is_own_workspace(Path::new(&path), agent.id) => Place::Root,
        Some(path) => Place::Known(path.into()),
        None => Place::Root,
    };
    Ok(Wish {
        id,
        owner: Owner {
            agent_id: agent.id,
            project_id: agent.project_id,
            agent_key: agent.agent_key,
        },
        persona,
        place,
    })
}

/// Who an agent is, as far as it was said; `otherwise` is its name if none was given.
pub(crate) fn checked_persona(
    name: Option<&str>,
    role: Option<&str>,
    emoji: Option<&str>,
    otherwise: &str,
) -> Result<Persona, Failure> {
    let name = name.and_then(trimmed).unwrap_or_else(|| otherwise.to_owned());
    let emoji = emoji.and_then(trimmed).unwrap_or_default();
    check_name(&name)?;
    check_emoji(&emoji)?;
    let role = checked_role(&role.and_then(trimmed).unwrap_or_default())?;
    Ok(Persona { name, role, emoji })
}

/// The id that the database chose; if it chose none, the reason is in the id that was wished for.
fn plan_id(request: &ProvisionRequest, agent: &AgentRow) -> Result<AgentId, Failure> {
    if let Some(chosen) = &agent.openclaw_id {
        return AgentId::parse(chosen).map_err(|error| bad_id(&error));
    }
    let of_key = || request.agent_key.strip_prefix("agent:")?.strip_suffix(":main");
    let short = request
        .agent_id_short
        .as_deref()
        .filter(|short| !short.is_empty())
        .or_else(of_key);
    AgentId::parse(short.unwrap_or_default()).map_err(|error| bad_id(&error))?;
    Err(not_placed())
}

fn bad_id(error: &AgentIdError) -> Failure {
    Failure {
        code: "agent_id_invalid",
        message: error.to_string(),
        hint: "write a new request with an id of 1 to 63 characters: a-z, 0-9, _ and -, a letter or digit \
               first, and not \"main\""
            .to_owned(),
        retry: false,
        steps: Vec::new(),
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    let length = name.chars().count();
    if length > NAME_MAX_CHARS {
        return Err(invalid(
            "display_name_invalid",
            format!("the display name is {length} characters long; at most {NAME_MAX_CHARS} are possible"),
            "shorten the display name and request again",
        ));
    }
    check_characters("display_name_invalid", "display name", name)
}

fn check_emoji(emoji: &str) -> Result<(), Failure> {
    if emoji.len() > EMOJI_MAX_BYTES {
        return Err(invalid(
            "emoji_invalid",
            format!(
                "the emoji is {} bytes long; at most {EMOJI_MAX_BYTES} are possible",
                emoji.len()
            ),
            "give one emoji, or none, and request again",
        ));
    }
    check_characters("emoji_invalid", "emoji", emoji)
}

/// The role on one line.
fn checked_role(role: &str) -> Result<String, Failure> {
    let role = role.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = role.chars().count();
    if length > ROLE_MAX_CHARS {
        return Err(invalid(
            "role_invalid",
            format!("the role is {length} characters long; at most {ROLE_MAX_CHARS} are possible"),
            "shorten the role, put the details into the SOUL document, and request again",
        ));
    }
    check_characters("role_invalid", "role", &role).map(|()| role)
}

/// Refuses what OpenClaw would replace, and what makes a text look like another text: line breaks, control characters, and the characters
/// that turn the direction of what follows. Right-to-left scripts need none of them.
fn check_characters(code: &'static str, what: &str, text: &str) -> Result<(), Failure> {
    let forbidden = |c: &char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    // OpenClaw would put the host's own variable there, which may be a secret.
    if text.contains("${") {
        return Err(invalid(
            code,
            format!("the {what} has ${{ in it, which OpenClaw takes for a variable of the host"),
            "take out ${, and request again",
        ));
    }
    match text.chars().find(forbidden) {
        None => Ok(()),
        Some(c) => Err(invalid(
            code,
            format!(
                "the {what} has a character that cannot be shown on one line: U+{:04X}",
                u32::from(c)
            ),
            "take out line breaks, control characters and direction marks, and request again",
        )),
    }
}

fn invalid(code: &'static str, message: String, hint: &str) -> Failure {
    Failure {
        code,
        message,
        hint: hint.to_owned(),
        retry: false,
        steps: Vec::new(),
    }
}

/// The text without the space around it, as JavaScript sees space, too; none if nothing is left.
fn trimmed(text: &str) -> Option<String> {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}
