import { Switch } from '@mantine/core';
import { IconTerminal2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { AgentView } from '../agents/agents';
import { Card } from '../layout/Page';
import { Empty, Failed, Loading } from '../layout/states';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import classes from './Log.module.css';
import { logLines } from './logLines';

/** Hosts tell of new lines every five seconds: asking more often shows nothing sooner. */
const REFETCH_MS = 5_000;
/** All that is kept of a log, however little its gateway prints at a time. */
const ROWS = 500;
const LINES = 1_000;
/** So near to the end is at the end. */
const AT_END_PX = 12;

/** What an agent's gateway printed last. */
export default function Log({ view }: { view: AgentView }) {
  const { id, project_id, backend } = view.agent;
  const db = useDb();
  const [follows, setFollows] = useState(true);
  const log = useQuery({
    queryKey: ['live', project_id, 'log', id],
    refetchInterval: REFETCH_MS,
    queryFn: () =>
      must(
        db
          .from('agent_logs')
          .select('seq, lines, skipped_bytes')
          .eq('agent_id', id)
          .order('seq', { ascending: false })
          .limit(ROWS),
      ),
  });
  const lines = useMemo(() => logLines(log.data ?? [], LINES), [log.data]);
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (follows && lines.length > 0 && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follows, lines]);
  if (log.isPending) return <Loading rows={1} height={360} />;
  if (!log.data)
    return <Failed error={log.error} retry={() => void log.refetch()} title="The log could not be loaded" />;
  if (lines.length === 0) {
    return (
      <Empty icon={<IconTerminal2 size={22} />} title="No lines yet">
        {backend === 'shared'
          ? 'This agent lives in the host’s one gateway, whose log is on the host. Agents with a gateway of their own have their lines here.'
          : 'Its host tells what its gateway prints, every few seconds.'}
      </Empty>
    );
  }
  return (
    <Card
      title={`The last ${lines.length} lines`}
      actions={
        <Switch
          size="xs"
          label="Follow"
          checked={follows}
          onChange={(event) => setFollows(event.currentTarget.checked)}
        />
      }
    >
      <section
        ref={box}
        className={classes.log}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and has to by the keyboard, too
        tabIndex={0}
        aria-label="Log"
        // Who reads further up is not taken away from there.
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) =>
          setFollows(scrollHeight - scrollTop - clientHeight < AT_END_PX)
        }
      >
        {lines.join('\n')}
      </section>
    </Card>
  );
}
