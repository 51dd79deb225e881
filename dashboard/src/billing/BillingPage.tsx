import { useNavigate, useSearch } from '@tanstack/react-router';
import { Page } from '../layout/Page';
import { Segments } from '../layout/Segments';
import { Earnings } from './Earnings';
import { Returned } from './Returned';
import { Subscriptions } from './Subscriptions';

/** What the project pays, and what the person's hosts earn. */
export default function BillingPage() {
  const search = useSearch({ from: '/p/$project/billing' });
  const { view = 'subscriptions', checkout, agent } = search;
  const navigate = useNavigate({ from: '/p/$project/billing' });
  const choose = (next: 'subscriptions' | 'earnings') =>
    void navigate({ search: next === 'earnings' ? { view: next } : {}, replace: true });
  return (
    <Page
      title="Billing"
      subtitle={view === 'earnings' ? 'What your hosts earn, in all projects' : 'What this project pays for'}
    >
      {checkout && <Returned search={search} onClose={() => void navigate({ search: {}, replace: true })} />}
      <Segments
        label="What is shown"
        value={view}
        onChange={choose}
        options={[
          { value: 'subscriptions', label: 'Subscriptions' },
          { value: 'earnings', label: 'Earnings' },
        ]}
      />
      {view === 'earnings' ? (
        <Earnings />
      ) : (
        <Subscriptions paidKey={checkout === 'paid' ? agent : undefined} />
      )}
    </Page>
  );
}
