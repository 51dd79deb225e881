import { Button } from '@mantine/core';
import { IconCheck, IconCircleDashed, IconRotate } from '@tabler/icons-react';
import { useCallback } from 'react';
import type { AgentView } from '../agents/agents';
import { StepBar } from '../agents/StepBar';
import { useAction } from '../layout/action';
import { reasonWords, verdictWords } from '../queue/why';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import { useWhyPending } from './pending';
import classes from './Situation.module.css';

/** What is under way and why it waits, or what went wrong and what to do; nothing where all is well. */
export function Situation({ view, canEdit }: { view: AgentView; canEdit: boolean }) {
  const { state } = view;
  if (state.group === 'running' || (state.group === 'stopped' && !state.detail)) return null;
  return (
    <div className={classes.box} data-tone={state.tone} role={state.tone === 'bad' ? 'alert' : 'status'}>
      <div className={classes.line}>
        <div className={classes.words}>
          <div className={classes.title}>{state.detail ?? state.label}</div>
          {state.hint && <div className={classes.hint}>{state.hint}</div>}
          {state.pendingId && <WhyItWaits view={view} id={state.pendingId} />}
        </div>
        {state.failedId && canEdit && <TryAgain id={state.failedId} />}
      </div>
      {state.steps.length > 0 && (
        <>
          <StepBar steps={state.steps} />
          <ol className={classes.steps}>
            {state.steps.map((step) => (
              <li key={step.name} className={classes.step} data-done={step.done}>
                {step.done ? (
                  <IconCheck size={14} aria-label="done" />
                ) : (
                  <IconCircleDashed size={14} aria-hidden />
                )}
                {step.label}
                {step.ms !== null && <span className={classes.ms}>{step.ms} ms</span>}
              </li>
            ))}
          </ol>
        </>
      )}
    </div>
  );
}

function WhyItWaits({ view, id }: { view: AgentView; id: string }) {
  const why = useWhyPending(view.agent.project_id, id, `${view.state.label} ${view.state.detail}`);
  if (!why.data || why.data.code === 'leased' || why.data.code === 'not_waiting') return null;
  const { message, hint, hosts = [], attempts = 0 } = why.data;
  const same = message.toLowerCase() === view.state.detail?.toLowerCase();
  return (
    <>
      {!same && <div className={classes.hint}>{reasonWords(message)}</div>}
      {hint && <div className={classes.hint}>{hint}</div>}
      {attempts > 1 && <div className={classes.hint}>Attempts so far: {attempts}.</div>}
      {hosts.length > 0 && (
        <ul className={classes.hosts}>
          {hosts.map((host) => (
            <li key={host.host_id}>
              {host.name} {verdictWords(host.code)}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function TryAgain({ id }: { id: string }) {
  const db = useDb();
  const [redrive, busy] = useAction(
    useCallback(async () => {
      await must(db.rpc('redrive', { id }));
      return 'It is tried again.';
    }, [db, id]),
  );
  return (
    <Button
      size="xs"
      variant="default"
      loading={busy}
      leftSection={<IconRotate size={15} stroke={1.7} />}
      onClick={() => void redrive()}
    >
      Try again
    </Button>
  );
}
