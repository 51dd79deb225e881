import { IconCoins } from '@tabler/icons-react';
import { Page } from '../layout/Page';
import { Empty } from '../layout/states';

export default function EarningsPage() {
  return (
    <Page title="Earnings">
      <Empty icon={<IconCoins size={22} />} title="Earnings come here">
        Until then: <code>creel billing --help</code>.
      </Empty>
    </Page>
  );
}
