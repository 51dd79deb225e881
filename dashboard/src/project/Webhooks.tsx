import { ActionIcon, Button, Menu } from '@mantine/core';
import { IconDots, IconPlus, IconRefresh } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Ago } from '../layout/Ago';
import { tellDone, useAction } from '../layout/action';
import { ConfirmByName } from '../layout/ConfirmByName';
import { Card } from '../layout/Page';
import { Pill } from '../layout/Pill';
import { Failed, Loading } from '../layout/states';
import { call } from '../supabase/call';
import { type Row, useDb } from '../supabase/client';
import { must, Problem } from '../supabase/problem';
import { AddWebhook } from './AddWebhook';
import { deliveryState, EVENTS, hookState, hooksKey, summaryOf, useHooks } from './hooks';
import classes from './Project.module.css';
import { useProject } from './project';
import { ShownSecret } from './ShownSecret';

type Webhook = Row<'webhooks'>;

/** Who is told, by HTTP, what goes wrong in the project. */
export function Webhooks() {
  const project = useProject();
  const queries = useQueryClient();
  const hooks = useHooks(project.id);
  const [adding, setAdding] = useState(false);
  const refresh = () => queries.invalidateQueries({ queryKey: hooksKey(project.id) });
  const { webhooks = [], deliveries = [] } = hooks.data ?? {};
  return (
    <>
      <Card
        title="Notifications"
        actions={
          project.canEdit && (
            <Button
              variant="subtle"
              size="compact-sm"
              leftSection={<IconPlus size={15} stroke={1.8} />}
              onClick={() => setAdding(true)}
            >
              Add a webhook
            </Button>
          )
        }
      >
        {hooks.isPending && <Loading rows={1} height={44} />}
        {hooks.isError && !hooks.data && <Failed error={hooks.error} retry={() => void hooks.refetch()} />}
        {hooks.data && webhooks.length === 0 && (
          <p className={classes.note}>
            Nobody is told when an agent or a host goes down. A webhook posts it to an address of yours.
          </p>
        )}
        <ul className={classes.list} aria-label="Webhooks">
          {webhooks.map((webhook) => (
            <WebhookRow key={webhook.id} webhook={webhook} refresh={refresh} />
          ))}
        </ul>
      </Card>
      {deliveries.length > 0 && (
        <Card title="Told lately">
          <ul className={classes.list} aria-label="Deliveries">
            {deliveries.map((delivery) => (
              <Delivery key={delivery.id} delivery={delivery} refresh={refresh} />
            ))}
          </ul>
        </Card>
      )}
      {adding && <AddWebhook onClose={() => setAdding(false)} refresh={refresh} />}
    </>
  );
}

function WebhookRow({ webhook, refresh }: { webhook: Webhook; refresh: () => Promise<unknown> }) {
  const db = useDb();
  const project = useProject();
  const [secret, setSecret] = useState<string | null>(null);
  const [removing, setRemoving] = useState(false);
  const { tone, label } = hookState(webhook);
  const host = URL.canParse(webhook.url) ? new URL(webhook.url).host : webhook.url;
  const [test] = useAction(async () => {
    await call(db, 'test_webhook', { webhook_id: webhook.id });
    await refresh();
    return `A test is on its way to ${host}.`;
  });
  const [enable] = useAction(async (enabled: boolean) => {
    const written = await must(db.from('webhooks').update({ enabled }).eq('id', webhook.id).select('id'));
    if (written.length === 0) throw new Problem(`${host} is no webhook any more.`, null, 'PT404');
    await refresh();
    return enabled ? `${host} is told again.` : `${host} is told nothing.`;
  });
  const [rotate] = useAction(async () => {
    const made = await call<{ secret: string }>(db, 'rotate_webhook_secret', { webhook_id: webhook.id });
    setSecret(made.secret);
    return undefined;
  });
  const events = EVENTS.filter(({ value }) => webhook.events.includes(value));
  return (
    <li className={classes.row} data-webhook={webhook.id}>
      <span className={classes.grow}>
        <span className={classes.name}>{webhook.url}</span>
        <span className={classes.sub}>
          {webhook.disabled_reason ??
            (events.length === EVENTS.length ? 'Everything' : events.map((event) => event.label).join(', '))}
        </span>
      </span>
      <Pill tone={tone}>{label}</Pill>
      {project.canEdit && (
        <Menu position="bottom-end" width={210}>
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={`More about ${host}`}>
              <IconDots size={17} stroke={1.6} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {webhook.enabled && <Menu.Item onClick={() => void test()}>Send a test</Menu.Item>}
            <Menu.Item onClick={() => void enable(!webhook.enabled)}>
              {webhook.enabled ? 'Pause' : 'Enable'}
            </Menu.Item>
            <Menu.Item onClick={() => void rotate()}>Make another secret</Menu.Item>
            <Menu.Divider />
            <Menu.Item color="red" onClick={() => setRemoving(true)}>
              Remove…
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
      {secret && (
        <ShownSecret secret={secret} onClose={() => setSecret(null)}>
          For a day, deliveries are signed with the one before, too.
        </ShownSecret>
      )}
      <ConfirmByName
        opened={removing}
        onClose={() => setRemoving(false)}
        title="Remove the webhook?"
        name={host}
        verb="Remove webhook"
        onConfirm={async () => {
          await call(db, 'delete_webhook', { webhook_id: webhook.id });
          await refresh();
          tellDone(`${host} is told nothing any more.`);
        }}
      >
        {webhook.url} is told nothing any more. What it was not told yet goes with it.
      </ConfirmByName>
    </li>
  );
}

type DeliveryRow = Pick<
  Row<'notifications'>,
  'id' | 'kind' | 'status' | 'attempts' | 'last_error' | 'payload' | 'created_at'
>;

function Delivery({ delivery, refresh }: { delivery: DeliveryRow; refresh: () => Promise<unknown> }) {
  const db = useDb();
  const project = useProject();
  const { tone, label } = deliveryState(delivery.status);
  const [redrive, busy] = useAction(async () => {
    await call(db, 'redrive_notification', { notification_id: delivery.id });
    await refresh();
    return 'It is sent again.';
  });
  return (
    <li className={classes.row}>
      <span className={classes.grow}>
        {summaryOf(delivery)}
        <span className={classes.sub}>
          <Ago at={delivery.created_at} />
          {delivery.status !== 'delivered' && delivery.last_error && `: ${delivery.last_error}`}
        </span>
      </span>
      <Pill tone={tone}>{label}</Pill>
      {delivery.status === 'failed' && project.canEdit && (
        <ActionIcon
          variant="subtle"
          color="gray"
          loading={busy}
          onClick={() => void redrive()}
          aria-label={`Send again: ${summaryOf(delivery)}`}
        >
          <IconRefresh size={17} stroke={1.6} />
        </ActionIcon>
      )}
    </li>
  );
}
