import { useLiveMode } from '../live/LiveProvider';
import type { LiveMode } from '../live/state';
import { Pill, type Tone } from './Pill';

const WORDS: Record<LiveMode, { tone: Tone; label: string; hint: string }> = {
  connecting: { tone: 'busy', label: 'Connecting…', hint: 'The page is about to hear of changes.' },
  live: { tone: 'good', label: 'Live', hint: 'Changes are shown as they happen.' },
  polling: {
    tone: 'warn',
    label: 'Polling',
    hint: 'Realtime is silent. The page asks every 5 seconds instead.',
  },
  offline: { tone: 'bad', label: 'Offline', hint: 'The server cannot be reached. What you see may be old.' },
};

/** How up to date the page is, honestly. */
export function LiveBadge() {
  const mode = useLiveMode();
  const { tone, label, hint } = WORDS[mode];
  return (
    <output data-live-mode={mode} aria-label={`Connection: ${label}. ${hint}`} title={hint}>
      <Pill tone={tone}>{label}</Pill>
    </output>
  );
}
