import {
  Autocomplete,
  Button,
  Group,
  Modal,
  NativeSelect,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import { useCallback, useMemo, useState } from 'react';
import type { AgentView } from '../agents/agents';
import { modelChoices } from '../agents/choices';
import type { HostView } from '../hosts/hosts';
import { useAction } from '../layout/action';
import { Card } from '../layout/Page';
import { useProject } from '../project/project';
import { useDb } from '../supabase/client';
import classes from './Configuration.module.css';
import { sendCommand } from './command';
import {
  type Difference,
  differences,
  type Form,
  formProblems,
  planPayload,
  readForm,
  THINKING,
} from './config';

type Props = { view: AgentView; hosts: readonly HostView[] };

/** What an agent is: changed here, shown as a difference, then told to its host. */
export default function Configuration({ view, hosts }: Props) {
  const { agent, name } = view;
  const db = useDb();
  const project = useProject();
  const canEdit = project.canEdit && agent.deleting_since === null;
  const now = useMemo(() => readForm(agent), [agent]);
  // Only what a person has touched is kept: the rest follows what somebody else changes.
  const [typed, setTyped] = useState<Partial<Form>>({});
  const [reviews, setReviews] = useState(false);
  const form = { ...now, ...typed };
  const changes = differences(now, form);
  const problems = formProblems(form);
  const set = <F extends keyof Form>(field: F, value: Form[F]) =>
    setTyped((before) => ({ ...before, [field]: value }));
  const text = (field: 'name' | 'emoji' | 'role' | 'cpu_percent' | 'ram_mb' | 'disk_mb') => ({
    value: form[field],
    error: problems[field],
    readOnly: !canEdit,
    onChange: (event: { currentTarget: { value: string } }) => set(field, event.currentTarget.value),
  });
  const payload = planPayload(now, form);
  const [save, busy] = useAction(
    useCallback(
      async (wanted: typeof payload) => {
        await sendCommand(db, agent, 'update_config', wanted);
        return `${name}’s host is told.`;
      },
      [db, agent, name],
    ),
  );
  const confirm = async () => {
    if (!(await save(payload))) return;
    setReviews(false);
    setTyped({});
  };
  return (
    <div className={classes.cards}>
      <Card title="Persona">
        <div className={classes.form}>
          <div className={classes.names}>
            <TextInput label="Emoji" maxLength={12} {...text('emoji')} />
            <TextInput label="Name" maxLength={200} {...text('name')} />
          </div>
          <TextInput label="Role" maxLength={200} {...text('role')} />
        </div>
        <Text size="sm" c="dimmed" mt="sm">
          Who it is and how it works is in its files: SOUL.md and AGENTS.md.
        </Text>
      </Card>
      <Card title="Thinking">
        <div className={classes.form}>
          <Autocomplete
            label="Model"
            description="Empty for the usual one of its host"
            placeholder="provider/model"
            value={form.model}
            onChange={(value) => set('model', value)}
            data={modelChoices(hosts, agent.host_id ?? '')}
            readOnly={!canEdit}
            spellCheck={false}
          />
          <NativeSelect
            label="Thinking level"
            description="How much it thinks before it answers"
            value={form.thinking}
            onChange={(event) => set('thinking', event.currentTarget.value)}
            disabled={!canEdit}
            data={[
              { value: '', label: 'As its host has it' },
              // Another one may have been set elsewhere.
              ...new Set([...THINKING, ...(form.thinking ? [form.thinking] : [])]),
            ]}
          />
          <TagsInput
            label="Skills"
            description="The ones it may use; none for all of its host"
            value={form.skills}
            onChange={(value) => set('skills', value)}
            readOnly={!canEdit}
          />
          <TagsInput
            label="Host tags"
            description="What its host must have"
            value={form.tags}
            onChange={(value) => set('tags', value)}
            readOnly={!canEdit}
          />
        </div>
      </Card>
      <Card title="Limits">
        <div className={classes.three}>
          <TextInput
            label="CPU"
            description="% of one core"
            inputMode="decimal"
            placeholder="No limit"
            {...text('cpu_percent')}
          />
          <TextInput
            label="Memory"
            description="MB, all its processes"
            inputMode="decimal"
            placeholder="No limit"
            {...text('ram_mb')}
          />
          <TextInput
            label="Disk"
            description="MB, its folder"
            inputMode="decimal"
            placeholder="No limit"
            {...text('disk_mb')}
          />
        </div>
        <Text size="sm" c="dimmed" mt="sm">
          An agent that is over a limit for a minute is stopped. Limits hold for agents with a gateway of
          their own.
        </Text>
      </Card>
      {changes.length > 0 && (
        <section className={classes.bar} aria-label="Changes that are not saved">
          <span>{changes.length === 1 ? 'One change' : `${changes.length} changes`}</span>
          <Button variant="default" size="xs" onClick={() => setTyped({})}>
            Discard
          </Button>
          <Button size="xs" disabled={Object.keys(problems).length > 0} onClick={() => setReviews(true)}>
            Review and save
          </Button>
        </section>
      )}
      <Modal
        opened={reviews}
        onClose={() => setReviews(false)}
        title={`Change ${name}`}
        size="lg"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack>
          <DifferenceTable changes={changes} />
          <Text size="sm" c="dimmed">
            Its host writes this to OpenClaw’s configuration as soon as it can.
          </Text>
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => setReviews(false)}>
              Go on editing
            </Button>
            <Button loading={busy} disabled={changes.length === 0} onClick={() => void confirm()}>
              Save
            </Button>
          </Group>
        </Stack>
      </Modal>
    </div>
  );
}

function DifferenceTable({ changes }: { changes: readonly Difference[] }) {
  return (
    <table className={classes.diff}>
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">Now</th>
          <th scope="col">Then</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ field, label, before, after }) => (
          <tr key={field}>
            <th scope="row">{label}</th>
            <td>
              <del>{before}</del>
            </td>
            <td>
              <ins>{after}</ins>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
