import { DOC_TYPES, type DocType } from './files/types';

export const TABS = [
  { name: 'overview', label: 'Overview' },
  { name: 'files', label: 'Files' },
  { name: 'config', label: 'Configuration' },
  { name: 'activity', label: 'Activity' },
  { name: 'log', label: 'Log' },
] as const;

/** A part of an agent's page. */
export type TabName = (typeof TABS)[number]['name'];
export type AgentSearch = { tab?: TabName; file?: DocType };

/** Reads what is shown from an address. */
export function readAgentSearch(search: Record<string, unknown>): AgentSearch {
  const tab = TABS.find(({ name }) => name === search.tab)?.name;
  const file = DOC_TYPES.find((type) => type === search.file);
  return { ...(tab && { tab }), ...(file && { file }) };
}
