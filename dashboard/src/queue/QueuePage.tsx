import { IconStack2 } from '@tabler/icons-react';
import { Page } from '../layout/Page';
import { Empty } from '../layout/states';

export default function QueuePage() {
  return (
    <Page title="Queue">
      <Empty icon={<IconStack2 size={22} />} title="The queue comes here">
        Until then: <code>creel request list</code>.
      </Empty>
    </Page>
  );
}
