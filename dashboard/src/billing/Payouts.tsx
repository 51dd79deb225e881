import { Button } from '@mantine/core';
import { IconBuildingBank } from '@tabler/icons-react';
import { useAction } from '../layout/action';
import { Pill } from '../layout/Pill';
import { Failed } from '../layout/states';
import { useProject } from '../project/project';
import { useDb } from '../supabase/client';
import { describePayouts } from './account';
import classes from './Billing.module.css';
import { usePayouts } from './data';
import { goToOnboarding } from './pay';

/** Whether earnings get to the owner's bank, and how they do. */
export function Payouts({ ownsHost }: { ownsHost: boolean }) {
  const db = useDb();
  const project = useProject();
  const account = usePayouts();
  const [set, busy] = useAction(async () => {
    await goToOnboarding(db, project.id);
    return undefined;
  });
  if (account.isPending) return null;
  if (account.isError && account.data === undefined) {
    const retry = () => void account.refetch();
    return <Failed error={account.error} retry={retry} title="How you are paid could not be loaded" />;
  }
  if (!account.data && !ownsHost) return null;
  const { tone, label, detail, act } = describePayouts(account.data ?? null);
  return (
    <section className={classes.banner} aria-label="Payouts">
      <IconBuildingBank size={20} stroke={1.6} aria-hidden />
      <div className={classes.who}>
        <span className={classes.bannerTitle}>
          Payouts <Pill tone={tone}>{label}</Pill>
        </span>
        <span className={classes.sub}>{detail}</span>
      </div>
      {act && (
        <Button variant="default" loading={busy} onClick={() => void set()}>
          {act}
        </Button>
      )}
    </section>
  );
}
