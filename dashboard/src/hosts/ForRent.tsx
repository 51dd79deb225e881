import { Button, NativeSelect } from '@mantine/core';
import { IconBuildingStore } from '@tabler/icons-react';
import { Suspense, useMemo, useState } from 'react';
import { shortOfKey } from '../agents/names';
import { part } from '../layout/part';
import { Empty, Failed, Loading } from '../layout/states';
import { useRows } from '../live/rows';
import { useProject } from '../project/project';
import cards from './HostCard.module.css';
import { OfferCard } from './OfferCard';
import { type HostOffer, ORDERS, type Order, sortOffers, useOffers } from './offers';

const Checkout = part(async () => ({ default: (await import('../billing/Checkout')).Checkout }));

/** Other people's hosts, to choose one of: for a new agent, or for one that has no place any more. */
export function ForRent({ agentKey }: { agentKey: string | undefined }) {
  const project = useProject();
  const offers = useOffers(project.id);
  const agents = useRows(project.id, 'agents');
  const [order, setOrder] = useState<Order>('price');
  const [chosen, setChosen] = useState<HostOffer | null>(null);
  const sorted = useMemo(() => sortOffers(offers.data?.hosts ?? [], order), [offers.data, order]);
  const taken = useMemo(
    () => new Set((agents.data ?? []).map((agent) => agent.agent_id_short ?? '')),
    [agents.data],
  );
  const known = agents.data?.find((agent) => agent.agent_key === agentKey && agent.billing === 'unpaid');
  if (offers.isPending) return <Loading rows={2} height={180} />;
  if (!offers.data) return <Failed error={offers.error} retry={() => void offers.refetch()} />;
  if (sorted.length === 0) {
    return (
      <Empty icon={<IconBuildingStore size={22} />} title="No host is for rent">
        Hosts of other people are here when they have a price and their owner can be paid. To let one of
        yours, give it a price.
      </Empty>
    );
  }
  return (
    <>
      {known && <p className={cards.section}>A place for {known.name || shortOfKey(known.agent_key)}</p>}
      {sorted.length > 1 && (
        <NativeSelect
          className={cards.order}
          aria-label="Order"
          value={order}
          onChange={(event) => setOrder(event.currentTarget.value as Order)}
          data={ORDERS}
        />
      )}
      <ul className={cards.grid} aria-label="Hosts for rent">
        {sorted.map((offer) => (
          <li key={offer.id}>
            <OfferCard
              offer={offer}
              action={
                project.canEdit && (
                  <Button
                    size="xs"
                    variant="light"
                    disabled={!offer.online || offer.room === 0}
                    onClick={() => setChosen(offer)}
                    aria-label={`Rent a place on ${offer.name}`}
                  >
                    Rent
                  </Button>
                )
              }
            />
          </li>
        ))}
      </ul>
      {chosen && (
        <Suspense>
          <Checkout
            host={{ ...chosen, price: { month: chosen.month, year: chosen.year } }}
            currency={chosen.currency}
            taken={taken}
            {...(known && {
              agent: { key: known.agent_key, name: known.name || shortOfKey(known.agent_key) },
            })}
            onClose={() => setChosen(null)}
          />
        </Suspense>
      )}
    </>
  );
}
