import { Button } from '@mantine/core';
import { IconCircleCheck, IconClockOff } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { readConfig } from '../config';
import { CopyBlock } from '../layout/CopyBlock';
import { useNow } from '../layout/now';
import { Failed, Loading } from '../layout/states';
import { duration } from '../layout/time';
import { useProject } from '../project/project';
import { useDb } from '../supabase/client';
import { must } from '../supabase/problem';
import classes from './EnrolSteps.module.css';
import { type Code, type CodeState, codeState, enrolCommand, isLoopback, type OpenCode } from './enrol';

/** Somebody waits for it in front of two machines. */
const WATCH_MS = 3_000;

/** How a machine becomes the host that a code is for, and whether it has. */
export function EnrolSteps({ code, onDone }: { code: Code; onDone: () => void }) {
  const db = useDb();
  const project = useProject();
  const queries = useQueryClient();
  const now = useNow();
  const [before, setBefore] = useState<CodeState>('open');
  const config = useQuery({ queryKey: ['config'], queryFn: readConfig, staleTime: Number.POSITIVE_INFINITY });
  const open = useQuery({
    queryKey: ['open-codes', code.expires_at],
    queryFn: async () => {
      const answer = await must(db.rpc('list_enrolment_codes'));
      return (answer as unknown as { codes: OpenCode[] }).codes;
    },
    refetchInterval: WATCH_MS,
    // He who waits is at another window.
    refetchIntervalInBackground: true,
    enabled: before === 'open',
  });
  const state = codeState(code, open.data, now, before);
  useEffect(() => setBefore(state), [state]);
  // A code that is made, used or over is to be seen among the ways in, and in the fleet.
  // biome-ignore lint/correctness/useExhaustiveDependencies: with each other state
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: ['live', project.id] });
  }, [state, queries, project.id]);
  if (config.isError) return <Failed error={config.error} retry={() => void config.refetch()} />;
  if (!config.data) return <Loading rows={2} />;
  return (
    <div className={classes.steps}>
      <ol className={classes.list}>
        <li>
          <p>
            On the machine, as the user that agents are to run as, with <code>creel</code> and{' '}
            <code>openclaw</code> installed:
          </p>
          <CopyBlock text={enrolCommand(code.code, config.data)} label="the command" />
          <p className={classes.quiet}>
            {isLoopback(config.data.supabaseUrl)
              ? 'This project is on this machine alone: no other one reaches it by this address.'
              : 'Neither address nor key are secret. The code is good once.'}
          </p>
        </li>
        <li>
          <p>Then let its worker run, now and after every start of the machine:</p>
          <CopyBlock text="creel worker install" label="the command" />
          <p className={classes.quiet}>
            <code>creel doctor</code> says what is missing there.
          </p>
        </li>
      </ol>
      <output className={classes.state} data-state={state}>
        {state === 'open' && (
          <>
            <span className={classes.wait} aria-hidden />
            Waiting for the machine. The code is good for{' '}
            {duration(Math.max(0, Date.parse(code.expires_at) - now))} more.
          </>
        )}
        {state === 'used' && (
          <>
            <IconCircleCheck size={18} aria-hidden />
            The machine is a host now. It comes online when its worker runs.
          </>
        )}
        {state === 'ended' && (
          <>
            <IconClockOff size={18} aria-hidden />
            The code has ended. Make another one.
          </>
        )}
      </output>
      <div className={classes.foot}>
        <Button variant={state === 'used' ? 'filled' : 'default'} onClick={onDone}>
          {state === 'used' ? 'Done' : 'Close'}
        </Button>
      </div>
    </div>
  );
}
