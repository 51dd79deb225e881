/** A step of what a host does, as a person reads it. */
export type Step = { name: string; label: string; ms: number | null; done: boolean };

/** What the worker calls its steps, and what they are. */
const STEP_WORDS: Record<string, string> = {
  validate: 'Checking what was asked for',
  workspace: 'Making the workspace',
  add: 'Registering with OpenClaw',
  identity: 'Giving it its name',
  record: 'Recording its documents',
  verify: 'Reading back what was written',
  stop_previous: 'Stopping it where it was',
  take_over: 'Taking over its files',
  deploy: 'Putting it in place',
  undeploy_previous: 'Removing it from where it was',
  configure: 'Writing its configuration',
  note: 'Noting the restart',
  stop: 'Stopping its processes',
  start: 'Starting its gateway',
  undeploy: 'Archiving and removing it',
};

/** The steps of a provision request in the shared gateway, in their order. */
export const PROVISION_STEPS: readonly string[] = [
  'validate',
  'workspace',
  'add',
  'identity',
  'record',
  'verify',
];

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The steps that a result tells of, then the one that is under way, then those that are expected. */
export function shownSteps(result: unknown, expected: readonly string[] = []): Step[] {
  const { steps, step } = object(result);
  const done = (Array.isArray(steps) ? steps : []).map((each): Step => {
    const { name, step: other, ms } = object(each);
    const known = text(name) ?? text(other) ?? 'step';
    return { name: known, label: stepLabel(known), ms: typeof ms === 'number' ? ms : null, done: true };
  });
  const current = text(step);
  const open = new Set([...(current ? [current] : []), ...expected]);
  for (const { name } of done) open.delete(name);
  return [
    ...done,
    ...[...open].map((name): Step => ({ name, label: stepLabel(name), ms: null, done: false })),
  ];
}

function stepLabel(name: string): string {
  const words = name.replaceAll('_', ' ');
  return STEP_WORDS[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

/** Why something failed, and what to do. */
export function failureOf(
  result: unknown,
): { code: string | null; message: string; hint: string | null } | null {
  const { error } = object(result);
  const { code, message, hint } = object(error);
  const said = text(message) ?? text(error);
  return said ? { code: text(code), message: said, hint: text(hint) } : null;
}

/** Whether something newer took its place: that is no failure. */
export function isSuperseded(result: unknown): boolean {
  return failureOf(result)?.code === 'superseded' || object(object(result).error).code === 'superseded';
}
