import type { Json } from '../database.types';
import type { Row } from '../supabase/client';

/** What of an agent can be changed on its page, as it is typed. */
export type Form = {
  name: string;
  emoji: string;
  role: string;
  model: string;
  thinking: string;
  skills: string[];
  tags: string[];
  cpu_percent: string;
  ram_mb: string;
  disk_mb: string;
};

/** How much an agent thinks, in OpenClaw's words. */
export const THINKING = [
  'off',
  'minimal',
  'low',
  'medium',
  'high',
  'xhigh',
  'adaptive',
  'max',
  'ultra',
] as const;

const FIELDS: { field: keyof Form; label: string; none: string }[] = [
  { field: 'name', label: 'Name', none: 'none' },
  { field: 'emoji', label: 'Emoji', none: 'none' },
  { field: 'role', label: 'Role', none: 'none' },
  { field: 'model', label: 'Model', none: 'the host’s usual one' },
  { field: 'thinking', label: 'Thinking', none: 'as its host has it' },
  { field: 'skills', label: 'Skills', none: 'all of its host' },
  { field: 'tags', label: 'Host tags', none: 'none' },
  { field: 'cpu_percent', label: 'CPU limit (% of one core)', none: 'no limit' },
  { field: 'ram_mb', label: 'Memory limit (MB)', none: 'no limit' },
  { field: 'disk_mb', label: 'Disk limit (MB)', none: 'no limit' },
];
const CONFIG = ['model', 'thinking', 'skills', 'tags'] as const;
const LIMITS = ['cpu_percent', 'ram_mb', 'disk_mb'] as const;

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** The form of an agent as it is. */
export function readForm(agent: Row<'agents'>): Form {
  const config = object(agent.config);
  const limits = object(agent.limits);
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const list = (value: unknown) =>
    Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
  const number = (value: unknown) => (typeof value === 'number' ? String(value) : '');
  return {
    name: agent.name ?? '',
    emoji: agent.emoji ?? '',
    role: agent.role ?? '',
    model: text(config.model),
    thinking: text(config.thinking),
    skills: list(config.skills),
    tags: list(config.tags),
    cpu_percent: number(limits.cpu_percent),
    ram_mb: number(limits.ram_mb),
    disk_mb: number(limits.disk_mb),
  };
}

/** One thing that is to be another. */
export type Difference = { field: keyof Form; label: string; before: string; after: string };

/** What would be changed. */
export function differences(before: Form, after: Form): Difference[] {
  return FIELDS.flatMap(({ field, label, none }) => {
    const [was, is] = [show(before[field], none), show(after[field], none)];
    return was === is ? [] : [{ field, label, before: was, after: is }];
  });
}

function show(value: string | string[], none: string): string {
  const text = Array.isArray(value) ? value.join(', ') : value.trim();
  return text || none;
}

/** What is wrong with a form, by field. */
export function formProblems(form: Form): Partial<Record<keyof Form, string>> {
  const problems: Partial<Record<keyof Form, string>> = {};
  for (const field of LIMITS) {
    const text = form[field].trim();
    if (text && !(Number(text) > 0 && Number.isFinite(Number(text))))
      problems[field] = 'A number above 0, or nothing for no limit.';
  }
  if (!form.name.trim()) problems.name = 'An agent needs a name.';
  return problems;
}

/** The payload of `update_config`: only what is another; null takes away. */
export function planPayload(before: Form, after: Form): Record<string, Json> {
  const changed = new Set(differences(before, after).map(({ field }) => field));
  const payload: Record<string, Json> = {};
  for (const field of ['name', 'emoji', 'role'] as const) {
    if (changed.has(field)) payload[field] = after[field].trim();
  }
  const config: Record<string, Json> = {};
  for (const field of CONFIG) {
    const value = after[field];
    if (changed.has(field))
      config[field] = Array.isArray(value) ? (value.length > 0 ? value : null) : value.trim() || null;
  }
  const limits: Record<string, Json> = {};
  for (const field of LIMITS)
    if (changed.has(field)) limits[field] = after[field].trim() ? Number(after[field]) : null;
  if (Object.keys(config).length > 0) payload.config = config;
  if (Object.keys(limits).length > 0) payload.limits = limits;
  return payload;
}
