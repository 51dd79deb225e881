export const DOC_TYPES = ['soul', 'agents', 'user', 'identity', 'memory_long', 'memory_today'] as const;
/** A document of an agent. */
export type DocType = (typeof DOC_TYPES)[number];

/** What each document is for. */
export const DOC_WORDS: Record<DocType, { file: string; about: string }> = {
  soul: { file: 'SOUL.md', about: 'Who it is' },
  agents: { file: 'AGENTS.md', about: 'How it works' },
  user: { file: 'USER.md', about: 'Whom it works for' },
  identity: { file: 'IDENTITY.md', about: 'Name and looks' },
  memory_long: { file: 'MEMORY.md', about: 'What it remembers' },
  memory_today: { file: 'memory/', about: 'What happened today' },
};
