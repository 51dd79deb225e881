//! The commands that the stand-in knows.

/// One command.
pub(crate) enum Call {
    Version,
    Add {
        name: String,
        workspace: String,
    },
    List,
    SetIdentity {
        agent: String,
        name: Option<String>,
        emoji: Option<String>,
    },
    Delete {
        agent: String,
    },
    ValidateConfig,
    PatchConfig {
        file: String,
    },
    Gateway {
        port: Option<u16>,
    },
}

impl Call {
    /// The name under which `stand-in.json` has its fault.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Add { .. } => "add",
            Self::List => "list",
            Self::SetIdentity { .. } => "set-identity",
            Self::Delete { .. } => "delete",
            Self::ValidateConfig => "config validate",
            Self::PatchConfig { .. } => "config patch",
            Self::Gateway { .. } => "gateway",
        }
    }

    /// Reads a command line; the error is in the words of the real one.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["--version"] => Ok(Self::Version),
            ["agents", "list", ..] => Ok(Self::List),
            ["agents", "add", rest @ ..] => {
                let options = Options::parse(rest)?;
                let name = options.word.ok_or("Agent creation needs an interactive TTY.")?;
                let missing = "Non-interactive agent creation requires --workspace.";
                Ok(Self::Add {
                    name,
                    workspace: options.workspace.ok_or(missing)?,
                })
            }
            ["agents", "set-identity", rest @ ..] => {
                let options = Options::parse(rest)?;
                let agent = options.agent.ok_or("Pass --agent or --workspace.")?;
                Ok(Self::SetIdentity {
                    agent,
                    name: options.name,
                    emoji: options.emoji,
                })
            }
            ["agents", "delete", rest @ ..] => {
                let options = Options::parse(rest)?;
                let agent = options.word.ok_or("missing required argument 'id'")?;
                if options.force {
                    Ok(Self::Delete { agent })
                } else {
                    Err("Non-interactive session. Re-run with --force.".to_owned())
                }
            }
            ["config", "validate", ..] => Ok(Self::ValidateConfig),
            ["config", "patch", rest @ ..] => {
                let file = Options::parse(rest)?.file;
                Ok(Self::PatchConfig {
                    file: file.ok_or("Pass --file or --stdin.")?,
                })
            }
            ["gateway", "run", rest @ ..] => {
                let port = Options::parse(rest)?.port;
                let port = port.map(|port| port.parse().map_err(|_| format!("Invalid port {port:?}.")));
                Ok(Self::Gateway {
                    port: port.transpose()?,
                })
            }
            _ => Err(format!("The stand-in does not know {words:?}.")),
        }
    }
}

#[derive(Default)]
struct Options {
    word: Option<String>,
    workspace: Option<String>,
    agent: Option<String>,
    name: Option<String>,
    emoji: Option<String>,
    port: Option<String>,
    file: Option<String>,
    force: bool,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (option, value) = arg
                .split_once('=')
                .map_or((*arg, None), |(option, value)| (option, Some(value)));
            let place = match option {
                "--json" | "--non-interactive" => continue,
                "--force" => {
                    options.force = true;
                    continue;
                }
                "--workspace" => &mut options.workspace,
                "--agent" => &mut options.agent,
                "--name" => &mut options.name,
                "--emoji" => &mut options.emoji,
                "--port" => &mut options.port,
                "--file" => &mut options.file,
                _ if arg.starts_with('-') => {
                    return Err(format!("OpenClaw does not recognize option {arg:?}."));
                }
                _ if options.word.is_some() => return Err("Too many arguments for this command.".to_owned()),
                _ => {
                    options.word = Some((*arg).to_owned());
                    continue;
                }
            };
            // A value that begins with a dash must be joined by `=`, as with the real one.
            let next = || args.next().copied().filter(|value| !value.starts_with('-'));
            let value = value
                .or_else(next)
                .ok_or_else(|| format!("option {option:?} argument missing"))?;
            *place = Some(value.to_owned());
        }
        Ok(options)
    }
}
