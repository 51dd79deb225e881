import { IconServer2 } from '@tabler/icons-react';
import { Page } from '../layout/Page';
import { Empty } from '../layout/states';

export default function HostsPage() {
  return (
    <Page title="Hosts">
      <Empty icon={<IconServer2 size={22} />} title="Hosts come here">
        Until then: <code>creel host list</code>.
      </Empty>
    </Page>
  );
}
